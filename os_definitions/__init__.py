"""OS definitions that come with the distribution: folders of scripts beside this file."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where they are; an administrator may copy or link them into ``/srv/ganeti/os``."""
