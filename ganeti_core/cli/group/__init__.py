"""Commands of ``gnt-group``."""
