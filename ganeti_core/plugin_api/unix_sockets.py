"""Unix sockets of drivers: how to listen and to connect, however long the path of one is."""

from ganeti_core.unix_sockets import connect, listen, short_address

__all__ = ["connect", "listen", "short_address"]
