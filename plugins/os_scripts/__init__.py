"""OS definitions that are folders of scripts, in the peer's form."""

from .source import OsScriptDirectories

__all__ = ["OsScriptDirectories"]
