"""LUXI, the only door into the master: protocol, client, server."""
