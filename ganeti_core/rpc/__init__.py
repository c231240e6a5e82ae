"""Calls from masters to nodes: Pyro5 over mutual TLS, with deadlines and typed errors."""
