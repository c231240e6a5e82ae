"""Create and rename a system by Debian's definition, in the mount namespace that it is run in."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from installed import MIB, an_instance

from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.os_scripts.driver import OsScripts


def main() -> None:
    found, folder = OsScripts("debootstrap", Path(sys.argv[1])), Path(sys.argv[2])
    instance = an_instance("debootstrap", folder, 512 * MIB)
    ctx = make_context(folder / "node1")
    info = found.info(ctx)
    assert info.problem == "", info
    variant = info.variants[0] if info.variants else ""
    params = {name: "ext4" for name, _ in info.parameters if name == "filesystem"}
    found.validate(ctx, variant, params, force_variant=False)
    instance = replace(instance, osparams=params, hvparams={"serial_console": True})
    found.create(ctx, instance, variant, reinstall=False)
    renamed = replace(instance, name="web2.example.com")
    found.rename(ctx, renamed, variant, instance.name)


if __name__ == "__main__":
    main()
