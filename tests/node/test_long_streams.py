"""How long the streams of large disks may take."""

from __future__ import annotations

import pytest

from ganeti_core.node.services import disks, exports
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.plugin_api.transfer import Limits
from ganeti_core.rpc.server import LONGEST_CALL


@pytest.mark.parametrize("patience", ["1", "3", "100"])
def test_a_disk_may_take_days_as_long_as_its_stream_goes_on(
    patience: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50 TB at 100 MB/s are six days; a node takes no call that may last longer than it allows."""
    monkeypatch.setenv("GANETI_PATIENCE", patience)
    days = 6 * 24 * 3600.0
    assert Limits().all > days
    assert disks.PATIENT.all > days
    assert exports.PATIENT.all > days
    for kind, hook in ((DISK_TEMPLATES, "send_data"), (DISK_TEMPLATES, "receive_data"),
                       (DISK_TEMPLATES, "wipe"), (HYPERVISORS, "switch_disk"),
                       (OS_DEFINITIONS, "export_disk"), (OS_DEFINITIONS, "import_disk")):
        assert days < kind.hook_where(hook).timeout < LONGEST_CALL
