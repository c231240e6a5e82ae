"""Names that no guest can have: it cannot be started, and stopping it is no error."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganeti_core.errors import HypervisorError
from ganeti_core.plugin_api import DiskSpec, InstanceSpec, NicSpec
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.hv_kvm import KvmHypervisor, devices


@pytest.mark.parametrize("name", ["", ".", "../a", "a/b", "nul\0", "a" * 256])
def test_stopping_what_can_never_have_started_is_no_error(tmp_path: Path, name: str) -> None:
    ctx = make_context(tmp_path)
    instance = InstanceSpec("u", name, "kvm")
    with pytest.raises(HypervisorError, match="cannot be used as a file name"):
        KvmHypervisor().info(ctx, instance)
    KvmHypervisor().stop(ctx, instance, True, 0.0)
    assert list(ctx.state.iterdir()) == []


ALIKE = ("0123abcd-0000-4000-8000-00000000000a", "0123abcd-0000-4000-8000-00000000000b")
"""They differ in their last digit."""


def test_two_devices_that_would_have_one_name_in_qemu_are_refused() -> None:
    disks = tuple(DiskSpec(uuid, index, "file", 1, ()) for index, uuid in enumerate(ALIKE))
    assert devices.device_id(disks[0]) == devices.device_id(disks[1])
    params = KvmHypervisor().describe().parameters["properties"]
    hvparams = {name: schema.get("default") for name, schema in params.items()}
    instance = InstanceSpec("u", "a", "kvm", hvparams | {"machine_version": "pc"}, disks=disks)
    with pytest.raises(HypervisorError, match="cannot be told apart in one guest: both would be"):
        devices.slots(instance)
    with pytest.raises(HypervisorError, match=ALIKE[0]):
        devices.check_ids(disks[1], disks[:1])
    devices.check_ids(disks[0], disks[:1])
    # A card and a disk have names of their own kinds.
    devices.check_ids(NicSpec(ALIKE[1], 0, "aa:00:00:00:00:01", "bridged", "br0"), disks)
