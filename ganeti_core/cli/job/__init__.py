"""Commands of ``gnt-job``."""
