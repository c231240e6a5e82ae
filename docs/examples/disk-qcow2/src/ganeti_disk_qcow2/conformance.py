"""What the conformance kit needs to know of this disk template."""

import pytest

from ganeti_core.plugin_api.testing.contracts import DiskTemplateContract

from . import Qcow2Template

unfit = "; ".join(Qcow2Template().verify())


@pytest.mark.skipif(bool(unfit), reason=unfit)
class TestQcow2Template(DiskTemplateContract):
    @pytest.fixture
    def driver(self) -> Qcow2Template:
        return Qcow2Template()
