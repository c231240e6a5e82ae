"""The conformance kit: what a plugin's own tests use to show that it keeps its contract.

Subclass the class of your kind from `ganeti_core.plugin_api.testing.contracts` in a test module,
name the subclass ``Test...`` and provide its fixtures; every inherited test then runs, with all
arguments and results passed through the wire format.
"""
