"""The errors that placement code raises."""

from __future__ import annotations


class PlacementError(Exception):
    """Something that the user has to know, in one sentence; programs print it and exit with 1."""


class LoadError(PlacementError):
    """Cluster data or a request could not be read."""


class RequestFailed(PlacementError):
    """A well-formed request has no answer; the text goes into the answer's `info`."""
