from ganeti_disk_qcow2.conformance import TestQcow2Template  # noqa: F401
