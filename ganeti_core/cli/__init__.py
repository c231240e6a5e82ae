"""The ``gnt-*`` commands: clients of LUXI that load no plugin."""
