"""Call one hook of the disk template drbd on a machine of the lab; see `asked_by_json`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from asked_by_json import answer

from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.data import DiskSpec
from ganeti_core.plugin_api.testing.contexts import (
    declared_settings,
    make_context,
    neighbours,
)
from ganeti_plugins.disk_drbd import DrbdTemplate
from ganeti_plugins.disk_lvm import LvmTemplate


def call_hook(asked: dict[str, Any]) -> Any:
    drivers = {("disk_templates", "plain"): LvmTemplate(),
               ("disk_templates", "drbd"): DrbdTemplate()}
    ctx = make_context(Path("/"), config=declared_settings(*drivers.values()))
    call = neighbours(replace(ctx, driver=neighbours(ctx, drivers)), drivers)
    return call("disk_templates", asked["template"], asked["hook"],
                **{**asked["arguments"], "disk": codec.decode(DiskSpec, asked["disk"])})


if __name__ == "__main__":
    answer(call_hook)
