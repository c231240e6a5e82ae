from ganeti_iallocator_spread.conformance import TestSpreadAllocator  # noqa: F401
