"""Completion for bash, zsh and fish, written from the tables of commands.

The scripts have all commands and options in them, so that a shell offers these at once; names of
instances and the like they ask of the program, ``gnt-instance --complete instance web``
(`names.py`). ``docs/build.py`` writes the scripts.
"""
