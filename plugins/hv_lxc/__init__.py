"""Instances as Linux containers, run by the tools of LXC."""

from .driver import LxcHypervisor

__all__ = ["LxcHypervisor"]
