"""Steps for the cluster's settings, groups, nodes and networks."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from ganeti_core.model.ganeti_settings import SETTING_OF
from ganeti_core.spec.parameters import Differences, described, given, short_for
from ganeti_core.spec.steps import OpcodeDict, Plan, Stage, Step, change_line

if TYPE_CHECKING:
    from ganeti_core.spec.parameters import Params

_VALUES = (
    "candidate_pool_size", "max_running_jobs", "max_tracked_jobs", "mac_prefix", "master_netdev",
    "master_netmask", "default_iallocator", "install_image", "zeroing_image", *SETTING_OF)
_LISTS = ("enabled_hypervisors", "enabled_disk_templates", "reserved_lvs", "compression_tools")
_FLAGS = ("use_external_mip_script", "maintain_node_health", "enabled_user_shutdown",
          "job_queue_files", "prealloc_wipe_disks", "modify_etc_hosts")
_DEPTHS = {"beparams": 1, "nicparams": 1, "ndparams": 1, "ipolicy": 1, "hvparams": 2,
           "diskparams": 2, "settings": 1, "osparams": 2, "os_hvp": 3}
_COLLECTORS = ("enabled_data_collectors", "data_collector_interval")
_ENABLED = ("enabled_hypervisors", "enabled_disk_templates")
_SYSTEMS = ("hidden_os", "blacklisted_os")


class Settings:
    """Compares everything but instances, and notes the steps in `plan`."""

    def __init__(self, have: Params, want: Params, plan: Plan, *, prune: bool) -> None:
        self._have, self._want, self._plan, self._prune = have, want, plan, prune

    def compare(self) -> None:
        if "cluster" in self._want:
            self._cluster()
        for name, want in self._want.get("groups", {}).items():
            self._group(name, want)
        for name, want in self._want.get("nodes", {}).items():
            self._node(name, want)
        for name, want in self._want.get("networks", {}).items():
            self._network(name, want)
        self._removals()

    def _note(
        self, found: Differences, stage: Stage, what: str, opcodes: list[OpcodeDict],
        sign: str = "~",
    ) -> None:
        self._plan.left += [f"{what}: {one}" for one in found.left]
        if opcodes:
            self._plan.steps.append(Step(stage, sign, what, tuple(opcodes), tuple(found.lines)))

    def _refuse(self, what: str, problem: str) -> None:
        self._plan.refused.append(f"{what}: {problem}")

    # The cluster

    def _cluster(self) -> None:
        found = Differences(self._have.get("cluster", {}), self._want["cluster"], self._prune)
        changed = {name: found.value(name) for name in _VALUES}
        changed |= {name: found.value(name, []) for name in _LISTS}
        changed |= {name: found.value(name, False) for name in _FLAGS}
        changed["default_iallocator_params"] = found.value("default_iallocator_params", {})
        changed |= {name: found.params(name, depth) for name, depth in _DEPTHS.items()}
        changed |= {name: found.params(name, resets=False) for name in _COLLECTORS}
        for name in _SYSTEMS:
            added, gone = found.entries(name)
            pairs = [["add", one] for one in added] + [["remove", one] for one in gone]
            changed[name] = pairs or None
        opcode = given(**changed)
        last = {name: opcode[name] for name in _ENABLED
                if name in opcode and set(found.have.get(name, ())) - set(opcode[name])}
        for name, final in last.items():
            # Removed instances may be the last that use it: until then both are enabled.
            both = [*final, *(one for one in found.have[name] if one not in final)]
            opcode[name] = both
            if both == found.have[name]:
                del opcode[name]
        opcodes = [{"OP_ID": "OP_CLUSTER_SET_PARAMS", **opcode}] if opcode else []
        opcodes += found.tags("cluster", None)
        if last:
            lines = [line for line in found.lines if line.partition(":")[0] in last]
            found.lines = [line for line in found.lines if line not in lines]
            self._plan.steps.append(Step(
                Stage.LAST_SETTINGS, "~", "cluster: what is not enabled any more",
                ({"OP_ID": "OP_CLUSTER_SET_PARAMS", **last},), tuple(lines)))
        self._note(found, Stage.SETTINGS, "cluster", opcodes)

    # Groups and nodes

    def _group(self, name: str, want: Params) -> None:
        have = self._have["groups"].get(name)
        what = f"group {name}"
        found = Differences(have or {}, want, self._prune)
        settings = given(
            alloc_policy=found.value("alloc_policy"), ndparams=found.params("ndparams"),
            diskparams=found.params("diskparams", 2), ipolicy=found.params("ipolicy"))
        opcodes: list[OpcodeDict] = []
        if have is None:
            opcodes = [{"OP_ID": "OP_GROUP_ADD", "group_name": name, **settings}]
        elif settings:
            opcodes = [{"OP_ID": "OP_GROUP_SET_PARAMS", "group_name": name, **settings}]
        opcodes += found.tags("nodegroup", name)
        self._note(found, Stage.OBJECTS, what, opcodes, "+" if have is None else "~")

    def _node(self, name: str, want: Params) -> None:
        have, what = self._have["nodes"].get(name), f"node {name}"
        if have is None:
            meant = short_for(name, self._have["nodes"])
            self._refuse(what, "the file needs full names, and the cluster has "
                         f"{', '.join(sorted(meant))}" if meant else
                         "it is not in the cluster: add it with 'gnt-node add' first")
            return
        found = Differences(have, want, self._prune)
        opcodes: list[OpcodeDict] = []
        group = found.value("group")
        if group and self._known("groups", group, what):
            opcodes.append({"OP_ID": "OP_GROUP_ASSIGN_NODES", "group_name": group,
                            "nodes": [name]})
        if ndparams := found.params("ndparams"):
            opcodes.append({"OP_ID": "OP_NODE_SET_PARAMS", "node_name": name,
                            "ndparams": ndparams})
        opcodes += found.tags("node", name)
        self._note(found, Stage.MEMBERS, what, opcodes)

    def _known(self, section: str, name: str, what: str) -> bool:
        """Whether an object is there or will be made."""
        if name in self._have[section] or name in self._want.get(section, {}):
            return True
        self._refuse(what, f"there is no {section.removesuffix('s')} {name!r} in the cluster or"
                     " in the file")
        return False

    # Networks

    def _network(self, name: str, want: Params) -> None:
        have, what = self._have["networks"].get(name), f"network {name}"
        if "reserved" in want:
            want = {**want, "reserved": _reserved(want, have or {})}
        found = Differences(have or {}, want, self._prune)
        if have is None:
            lines = described({key: value for key, value in want.items() if key != "groups"})
            self._plan.steps.append(Step(Stage.OBJECTS, "+", what, (given(
                OP_ID="OP_NETWORK_ADD", network_name=name, add_reserved_ips=want.get("reserved"),
                **{key: want[key] for key in (
                    "network", "gateway", "network6", "gateway6", "mac_prefix", "tags")
                   if want.get(key, "none") != "none"}),), lines))
        else:
            if want["network"] != have["network"]:
                self._refuse(what, f"its range cannot be changed in place: it is"
                             f" {have['network']}, the file says {want['network']}")
            self._note(found, Stage.OBJECTS, what, self._changed_network(name, found))
        self._connections(name, have or {}, want)

    def _changed_network(self, name: str, found: Differences) -> list[OpcodeDict]:
        added, gone = found.entries("reserved")
        changed = given(
            **{key: found.value(key, "none")
               for key in ("gateway", "network6", "gateway6", "mac_prefix")},
            add_reserved_ips=added or None, remove_reserved_ips=gone or None)
        opcodes = [{"OP_ID": "OP_NETWORK_SET_PARAMS", "network_name": name, **changed}
                   ] if changed else []
        return opcodes + found.tags("network", name)

    def _connections(self, network: str, have: Params, want: Params) -> None:
        if "groups" not in want:
            return
        old = have.get("groups", {})
        for group, params in want["groups"].items():
            what = f"network {network} in group {group}"
            wanted = {"vlan": "", **params}
            if group in old and {"vlan": "", **old[group]} == wanted:
                continue
            if not self._known("groups", group, what):
                continue
            connect = {
                "OP_ID": "OP_NETWORK_CONNECT", "group_name": group, "network_name": network,
                "network_mode": wanted["mode"], "network_link": wanted["link"],
                "network_vlan": wanted["vlan"]}
            if group not in old:
                self._plan.steps.append(Step(Stage.MEMBERS, "+", what, (connect,),
                                             described(params)))
            elif users := self._users(network):
                self._refuse(what, "what cards are there cannot be changed while instances use the"
                             f" network: {', '.join(users[:3])}")
            else:
                lines = tuple(change_line(key, old[group].get(key, ""), value)
                              for key, value in wanted.items()
                              if old[group].get(key, "") != value)
                self._plan.steps.append(Step(
                    Stage.MEMBERS, "~", what, (_disconnect(network, group), connect), lines))
        for group in sorted(old.keys() - want["groups"].keys()):
            self._remove(Stage.DISCONNECTIONS, f"network {network} in group {group}",
                         _disconnect(network, group))

    def _users(self, network: str) -> list[str]:
        return [name for name, instance in self._have["instances"].items()
                if any(nic.get("network") == network for nic in instance["nics"])]

    # What the file lacks

    def _removals(self) -> None:
        for name in self._lacking("networks"):
            for group in self._have["networks"][name].get("groups", {}):
                self._remove(Stage.DISCONNECTIONS, f"network {name} in group {group}",
                             _disconnect(name, group))
            self._remove(Stage.REMOVED_OBJECTS, f"network {name}",
                         {"OP_ID": "OP_NETWORK_REMOVE", "network_name": name})
        nodes: dict[str, Any] = {**self._have["nodes"]}
        for name, want in self._want.get("nodes", {}).items():
            nodes[name] = {**nodes.get(name, {}), **want}
        for name in self._lacking("groups"):
            members = [node for node, one in nodes.items() if one.get("group") == name]
            if members and self._prune:
                self._refuse(f"group {name}", "it cannot be removed, it has nodes:"
                             f" {', '.join(members[:3])}")
                continue
            self._remove(Stage.REMOVED_OBJECTS, f"group {name}",
                         {"OP_ID": "OP_GROUP_REMOVE", "group_name": name})

    def _lacking(self, section: str) -> list[str]:
        if section not in self._want:
            return []
        return [name for name in self._have[section] if name not in self._want[section]]

    def _remove(self, stage: Stage, what: str, opcode: OpcodeDict) -> None:
        if self._prune:
            self._plan.steps.append(Step(stage, "-", what, (opcode,)))
        else:
            self._plan.left.append(what)


def _disconnect(network: str, group: str) -> OpcodeDict:
    return {"OP_ID": "OP_NETWORK_DISCONNECT", "group_name": group, "network_name": network}


def _reserved(want: Params, have: Params) -> list[str]:
    """The addresses that a network's file reserves, without those that no instance gets anyway:
    its ends and its gateway. The cluster's own document leaves them out, too."""
    implied = {want.get("gateway", have.get("gateway"))}
    # What is no range is refused with its reason when it is carried out.
    with suppress(ValueError):
        pool = ip_network(want["network"], strict=False)
        implied |= {str(pool.network_address), str(pool.broadcast_address)}
    return [one for one in want["reserved"] if one not in implied]
