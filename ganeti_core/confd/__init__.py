"""Ganeti's confd: signed questions about the configuration, a datagram each, without the master."""
