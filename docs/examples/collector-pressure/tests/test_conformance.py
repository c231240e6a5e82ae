from ganeti_collector_pressure.conformance import TestPressureCollector  # noqa: F401
