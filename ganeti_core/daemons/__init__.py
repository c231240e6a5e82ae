"""Entry points of processes: they build the parts, connect them, serve and stop."""
