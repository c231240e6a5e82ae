from ganeti_network_sdn.conformance import TestSdnNetwork  # noqa: F401
