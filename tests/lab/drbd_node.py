"""Call one hook of the disk template drbd on a machine of the lab: what a node daemon would do.

Its argument is a JSON document; it prints one: the result, or the error.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from ganeti_core.errors import GanetiError
from ganeti_core.plugin_api import codec
from ganeti_core.plugin_api.data import DiskSpec
from ganeti_core.plugin_api.testing.contexts import (
    declared_settings,
    make_context,
    neighbours,
)
from ganeti_plugins.disk_drbd import DrbdTemplate
from ganeti_plugins.disk_lvm import LvmTemplate


def main() -> None:
    asked = json.loads(sys.argv[1])
    drivers = {("disk_templates", "plain"): LvmTemplate(),
               ("disk_templates", "drbd"): DrbdTemplate()}
    ctx = make_context(Path("/"), config=declared_settings(*drivers.values()))
    call = neighbours(replace(ctx, driver=neighbours(ctx, drivers)), drivers)
    arguments = {**asked["arguments"], "disk": codec.decode(DiskSpec, asked["disk"])}
    try:
        result = call("disk_templates", asked["template"], asked["hook"], **arguments)
    except GanetiError as exc:
        print(json.dumps({"error": exc.message}))
    else:
        print(json.dumps({"result": codec.encode(result)}))


if __name__ == "__main__":
    main()
