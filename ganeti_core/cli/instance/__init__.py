"""Commands of ``gnt-instance``."""
