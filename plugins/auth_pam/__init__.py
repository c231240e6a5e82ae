"""The accounts of the master's operating system, through PAM."""

from .driver import PamAuthenticator

__all__ = ["PamAuthenticator"]
