"""What ``export-spec`` shows: all that a file can say, or a plan would never be empty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.model import Disk
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugins import PluginHost
from ganeti_core.query.spec import spec_document
from ganeti_core.spec.schema import CLUSTER
from ganeti_plugins.disk_drbd.driver import DrbdTemplate
from ganeti_plugins.disk_ext.driver import ExtTemplate
from ganeti_plugins.disk_lvm.driver import LvmTemplate


def test_every_setting_of_the_cluster_is_shown(snapshot: Snapshot, host: PluginHost) -> None:
    shown = spec_document(snapshot, host)["cluster"].keys()
    # A text that is empty is left out, which a plan knows.
    assert {name for name, schema in CLUSTER["properties"].items()
            if schema["type"] != "string"} - shown == set()


DATA = Disk(uuid="d", template="plain", size=64, logical_id=("fast", "d.data"))
NOTES = Disk(uuid="n", template="plain", size=128, logical_id=("slow", "d.notes"))


@pytest.mark.parametrize(("disk", "params"), [
    (Disk(uuid="e", template="ext", size=64, logical_id=("san", "e.ext.disk0"),
          params={"pool": "gold"}), {"provider": "san", "pool": "gold"}),
    (DATA, {"vg": "fast"}),
    (Disk(uuid="m", template="drbd", size=64, params={"metavg": "slow"}, children=(DATA, NOTES)),
     {"vg": "fast", "metavg": "slow"}),
    (Disk(uuid="x", template="gone", size=64, logical_id=("a", "b"), params={"y": 1}), {"y": 1}),
])
def test_what_a_disk_was_made_with_is_shown_although_it_became_its_identity(
    snapshot: Snapshot, disk: Disk, params: dict[str, Any]
) -> None:
    host = PluginHost()
    host.add(DISK_TEMPLATES, "ext", ExtTemplate())
    host.add(DISK_TEMPLATES, "plain", LvmTemplate())
    host.add(DISK_TEMPLATES, "drbd", DrbdTemplate())
    one = next(iter(snapshot.instances.values()))
    changed = replace(snapshot, objects={
        **snapshot.objects, "disk": {disk.uuid: disk},
        "instance": {one.uuid: replace(one, disks=(disk.uuid,))}})
    (shown,) = spec_document(changed, host)["instances"][one.name]["disks"]
    assert shown["params"] == params
