"""The demo: a cluster on this machine, shown with its own commands (``make demo``)."""
