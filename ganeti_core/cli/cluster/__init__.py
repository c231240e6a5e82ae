"""Commands of ``gnt-cluster``."""
