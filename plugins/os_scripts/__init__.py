"""OS definitions that are folders of scripts, in Ganeti's form."""

from .source import OsScriptDirectories

__all__ = ["OsScriptDirectories"]
