"""Steps for instances: made, changed in place, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import OpPrereqError
from ganeti_core.spec.devices import Devices, compare_disks, compare_nics, new_disks
from ganeti_core.spec.final import kept_name
from ganeti_core.spec.parameters import Differences, described, given, short_for
from ganeti_core.spec.steps import NOTHING, OpcodeDict, Plan, Stage, Step, change_line

if TYPE_CHECKING:
    from ganeti_core.spec.parameters import Params

_FIXED = {
    "hypervisor": "make the instance anew",
    "disk_template": "convert it with 'gnt-instance modify -t', or make the instance anew",
    "primary_node": "use 'gnt-instance migrate', 'failover' or 'move'",
    "secondary_node": "use 'gnt-instance replace-disks'",
}
"""What a running cluster cannot change in place, and what to do instead."""


class Instances:
    """Compares the instances, and notes the steps in `plan`."""

    def __init__(self, have: Params, want: Params, plan: Plan, *, prune: bool) -> None:
        self._have = have["instances"]
        self._want = want.get("instances")
        self._nodes = have["nodes"]
        self._plan, self._prune = plan, prune

    def compare(self) -> None:
        if self._want is None:
            return
        actual = {name.lower(): name for name in self._have}
        named = set()
        for written, want in self._want.items():
            name = actual.get(written.lower())
            if not self._has_full_node_names(written, want):
                named.add(name)
            elif name is None and (meant := short_for(written, self._have) - self._want.keys()):
                # A new instance of this name, and with --prune the other one's end, is not meant.
                named |= meant
                self._plan.refused.append(f"instance {written}: the file needs full names, and the"
                                          f" cluster has {', '.join(sorted(meant))}")
            elif name is None:
                self._create(written, want)
            else:
                named.add(name)
                self._change(name, self._have[name], want)
        for name in [one for one in self._have if one not in named]:
            self._remove(name)

    def _has_full_node_names(self, name: str, want: Params) -> bool:
        short = [(key, meant) for key in ("primary_node", "secondary_node")
                 if (meant := short_for(want.get(key, ""), self._nodes))]
        self._plan.refused += [
            f"instance {name}: {key}: the file needs full names: {', '.join(sorted(meant))}"
            for key, meant in short]
        return not short

    def _create(self, name: str, want: Params) -> None:
        try:
            kept = kept_name(name)
        except OpPrereqError as exc:
            self._plan.refused.append(f"instance {name}: {exc.message}")
            return
        nics = [{key: value for key, value in nic.items() if value not in ("none", "default")}
                for nic in want.get("nics", [])]
        state = want.get("state", "up")
        opcode = given(
            OP_ID="OP_INSTANCE_CREATE", instance_name=kept, mode="create",
            disks=new_disks(want.get("disks", [])), nics=nics,
            disk_template=want.get("disk_template"),
            hypervisor=want.get("hypervisor"), os_type=want.get("os"),
            no_install=None if want.get("os") else True, pnode=want.get("primary_node"),
            snode=want.get("secondary_node"), beparams=_own(want.get("beparams")),
            hvparams=_own(want.get("hvparams")), osparams=_own(want.get("osparams")),
            tags=want.get("tags"), start=state == "up",
            # The name is the one that the file has, whatever it resolves to.
            name_check=False, ip_check=False)
        opcodes: list[OpcodeDict] = [opcode]
        if state == "offline":
            opcodes.append(_set_params(kept, offline=True))
        if "disk_template" not in want and want.get("disks"):
            self._plan.refused.append(f"instance {name}: a new instance with disks needs a"
                                      " 'disk_template'")
            return
        self._plan.steps.append(Step(Stage.INSTANCES, "+", f"instance {kept}", tuple(opcodes),
                                     described(want)))

    def _change(self, name: str, have: Params, want: Params) -> None:
        what = f"instance {name}"
        for key, instead in _FIXED.items():
            if key in want and want[key] != have.get(key):
                self._plan.refused.append(
                    f"{what}: {key} cannot be changed in place: it is {have.get(key, NOTHING)},"
                    f" the file says {want[key]}; {instead}")
        found = Differences(have, want, self._prune)
        after = {**have, **want}
        nics = compare_nics(have["nics"], after["nics"], prune=self._prune)
        disks = compare_disks(have["disks"], after["disks"], prune=self._prune)
        settings = given(
            beparams=found.params("beparams"), hvparams=found.params("hvparams"),
            osparams=found.params("osparams"), os_name=found.value("os"),
            nics=nics.changes or None, disks=disks.changes or None)
        state = after["state"]
        opcodes = [*self._with_state(name, have["state"], state, settings, _grown(name, disks)),
                   *found.tags("instance", name)]
        if have["state"] != state:
            found.lines.insert(0, change_line("state", have["state"], state))
        for devices in (nics, disks):
            found.lines += devices.lines
            self._plan.left += [f"{what}: {one}" for one in devices.left]
            self._plan.refused += [f"{what}: {one}" for one in devices.refused]
        self._plan.left += [f"{what}: {one}" for one in found.left]
        if opcodes:
            self._plan.steps.append(Step(Stage.INSTANCES, "~", what, tuple(opcodes),
                                         tuple(found.lines), destroys=disks.removed > 0))

    def _with_state(
        self, name: str, old: str, new: str, settings: OpcodeDict, grown: list[OpcodeDict],
    ) -> list[OpcodeDict]:
        """The changes, after the instance was stopped and before it is started."""
        opcodes: list[OpcodeDict] = []
        if old == "up" != new:
            opcodes.append({"OP_ID": "OP_INSTANCE_SHUTDOWN", "instance_name": name})
        if "offline" in (old, new) and old != new:
            settings["offline"] = new == "offline"
        if settings:
            opcodes.append(_set_params(name, **settings))
        opcodes += grown
        if new == "up" != old:
            opcodes.append({"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": name})
        return opcodes

    def _remove(self, name: str) -> None:
        if self._prune:
            self._plan.steps.append(Step(
                Stage.REMOVED_INSTANCES, "-", f"instance {name}",
                ({"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": name},),
                tuple(f"disks/{at}: {disk['size']} MiB are lost"
                      for at, disk in enumerate(self._have[name]["disks"])), destroys=True))
        else:
            self._plan.left.append(f"instance {name}")


def _own(params: Params | None) -> Params | None:
    """What a new object sets itself; the rest it inherits anyway."""
    return None if params is None else {
        key: value for key, value in params.items() if value != "default"}


def _set_params(name: str, **values: object) -> OpcodeDict:
    return {"OP_ID": "OP_INSTANCE_SET_PARAMS", "instance_name": name, **values}


def _grown(name: str, disks: Devices) -> list[OpcodeDict]:
    return [{"OP_ID": "OP_INSTANCE_GROW_DISK", "instance_name": name, "disk": at,
             "amount": size, "absolute": True} for at, size in disks.grown]
