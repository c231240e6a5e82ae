"""Allocator programs: executables in the search path, each an allocator of its file's name.

A program gets the path of a file with the request as its only argument and prints the answer;
both are JSON documents of the iallocator protocol, version 2.
"""

from .source import AllocatorPrograms

__all__ = ["AllocatorPrograms"]
