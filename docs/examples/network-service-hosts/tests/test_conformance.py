from ganeti_network_service_hosts.conformance import TestHostsFiles  # noqa: F401
