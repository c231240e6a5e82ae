"""Services for guests in a network: addresses and names, by dnsmasq."""

from .driver import DnsmasqService

__all__ = ["DnsmasqService"]
