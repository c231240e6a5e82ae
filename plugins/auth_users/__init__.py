"""The users file of the remote API, with a secret of each user."""

from .driver import UsersFileAuthenticator

__all__ = ["UsersFileAuthenticator"]
