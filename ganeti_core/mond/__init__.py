"""The monitoring daemon's side: reports as Ganeti's agent gives them, and Prometheus's text format.

All of it comes from files that the node daemon writes (`node/published.py`): nothing is collected
when somebody asks.
"""
