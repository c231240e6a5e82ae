"""Types shared by the tests of OS scripts."""

from collections.abc import Callable
from pathlib import Path

MakeOs = Callable[..., Path]
"""``make_os(name, versions="...", create="#!/bin/sh...")`` makes a definition, tells its folder."""
