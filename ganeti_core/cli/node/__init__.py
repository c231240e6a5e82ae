"""Commands of ``gnt-node``."""
