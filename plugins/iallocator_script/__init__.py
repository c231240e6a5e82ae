"""Allocator programs: executables in the search path, each an allocator of its file's name.

A program gets the path of a file with the request as its argument and prints the answer; both are
JSON documents of the iallocator protocol, version 2. Parameters follow: ``--NAME`` or
``--NAME=VALUE``.
"""

from .source import AllocatorPrograms

__all__ = ["AllocatorPrograms"]
