"""Commands of ``gnt-network``."""
