from ganeti_hypervisor_process.conformance import TestProcessHypervisor  # noqa: F401
