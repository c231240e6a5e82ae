"""Instances as processes below a root of their own, without any other separation."""

from .driver import ChrootHypervisor

__all__ = ["ChrootHypervisor"]
