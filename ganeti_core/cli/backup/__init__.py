"""Commands of ``gnt-backup``."""
