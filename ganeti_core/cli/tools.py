"""The programs and their commands: name, what it does, and the module that does it.

A module holds ``COMMANDS``, a mapping of command name to `session.Command`; it is imported only
when one of its commands runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.unavailable import COMMANDS, MARK, OPCODES, PARAMETERS

if TYPE_CHECKING:
    import optparse
    from collections.abc import Mapping

COMPATIBLE_RELEASE = "3.0.2"
"""The release whose commands, options and outputs these are; scripts ask with ``--version``."""


_PARAMETER_OF: dict[tuple[str, str | None], str] = {
    ("OP_INSTANCE_SET_PARAMS", "new_primary_node"): "pnode",
    ("OP_INSTANCE_SET_PARAMS", "node"): "remote_node",
}
"""Options that have other names than the parameters that they set."""


@dataclass(frozen=True)
class Entry:
    """One line of a program's table.

    :param op_id: the opcode that the command is about, where parts of it may not be available
    """

    summary: str
    module: str
    op_id: str = ""

    @property
    def marked_summary(self) -> str:
        """What the command does, or that it does not do it yet."""
        return f"{self.summary} ({MARK})" if self.op_id in OPCODES else self.summary

    def marked_help(self, option: optparse.Option) -> str:
        """The help of an option, marked where it is refused."""
        return f"{option.help} ({MARK})" if self.refuses(option) else option.help or ""

    def refuses(self, option: optparse.Option) -> bool:
        """Whether the option asks for something that is not available; one that is for *off* never
        does."""
        parameter = _PARAMETER_OF.get((self.op_id, option.dest), option.dest)
        return parameter in PARAMETERS.get(self.op_id, ()) and option.action != "store_false"


@dataclass(frozen=True)
class Tool:
    program: str
    commands: dict[str, Entry]
    aliases: dict[str, str]

    @property
    def refused(self) -> Mapping[str, str]:
        """Ganeti's commands that are refused by name, and why."""
        return COMMANDS.get(self.program, {})


_OPCODES = {
    ("gnt-cluster", "init"): "OP_CLUSTER_SET_PARAMS",
    ("gnt-cluster", "modify"): "OP_CLUSTER_SET_PARAMS",
    ("gnt-node", "add"): "OP_NODE_ADD",
    ("gnt-node", "modify"): "OP_NODE_SET_PARAMS",
    ("gnt-node", "modify-storage"): "OP_NODE_MODIFY_STORAGE",
    ("gnt-node", "repair-storage"): "OP_REPAIR_NODE_STORAGE",
    ("gnt-node", "volumes"): "OP_NODE_QUERYVOLS",
    ("gnt-group", "add"): "OP_GROUP_ADD",
    ("gnt-group", "modify"): "OP_GROUP_SET_PARAMS",
    ("gnt-instance", "add"): "OP_INSTANCE_CREATE",
    ("gnt-instance", "modify"): "OP_INSTANCE_SET_PARAMS",
    ("gnt-instance", "move"): "OP_INSTANCE_MOVE",
    ("gnt-instance", "recreate-disks"): "OP_INSTANCE_RECREATE_DISKS",
    ("gnt-instance", "replace-disks"): "OP_INSTANCE_REPLACE_DISKS",
    ("gnt-backup", "export"): "OP_BACKUP_EXPORT",
    ("gnt-backup", "import"): "OP_INSTANCE_CREATE",
}


def _tool(program: str, commands: dict[str, tuple[str, str]], **aliases: str) -> Tool:
    """Build a table; a module is named relative to this package."""
    return Tool(program, {name: Entry(summary, f"{__package__}.{module}",
                                      _OPCODES.get((program, name), ""))
                          for name, (module, summary) in commands.items()}, aliases)


CLUSTER = _tool("gnt-cluster", {
    "activate-master-ip": ("cluster.master_ip", "Activates the master IP"),
    "add-tags": ("cluster.tags", "Add tags to the cluster"),
    "apply": ("cluster.spec", "Makes the cluster what a file describes"),
    "command": ("cluster.remote", "Runs a command on all (or only some) nodes"),
    "copyfile": ("cluster.remote", "Copies a file to all (or only some) nodes"),
    "deactivate-master-ip": ("cluster.master_ip", "Deactivates the master IP"),
    "destroy": ("cluster.lifecycle", "Destroy cluster"),
    "epo": ("cluster.epo", "Performs an emergency power-off on given args"),
    "export-config": ("cluster.config_file",
                      "Writes the configuration in the form of Ganeti's config.data"),
    "export-spec": ("cluster.spec", "Writes the cluster as a file that plan and apply read"),
    "getmaster": ("cluster.facts", "Shows the cluster master"),
    "import-config": ("cluster.config_file",
                      "Makes this host the master of a cluster described by a config.data"),
    "info": ("cluster.info", "Show cluster configuration"),
    "init": ("cluster.init", "Initialises a new cluster configuration"),
    "list-tags": ("cluster.tags", "List the tags of the cluster"),
    "master-failover": ("cluster.lifecycle", "Makes the current node the master"),
    "master-ping": ("cluster.facts", "Checks if the master is alive"),
    "modify": ("cluster.modify", "Alters the parameters of the cluster"),
    "plan": ("cluster.spec", "Shows what differs between the cluster and a file"),
    "plugins": ("cluster.plugins", "Shows the plugins of this cluster, their origin and health"),
    "queue": ("cluster.queue", "Change queue properties"),
    "redist-conf": ("cluster.lifecycle",
                    "Forces a push of the configuration file and ssconf files to the nodes in"
                    " the cluster"),
    "remove-tags": ("cluster.tags", "Remove tags from the cluster"),
    "rename": ("cluster.modify", "Renames the cluster"),
    "repair-disk-sizes": ("cluster.verify", "Updates mismatches in recorded disk sizes"),
    "renew-crypto": ("cluster.renew_crypto", "Renews cluster certificates, keys and secrets"),
    "search-tags": ("cluster.tags", "Searches the tags on all objects on the cluster for a given"
                                    " pattern (regex)"),
    "show-ispecs-cmd": ("cluster.info", "Show the command line to re-create the cluster"),
    "top": ("cluster.top", "Shows nodes, guests, jobs and alarms, again and again"),
    "upgrade": ("cluster.upgrade", "Upgrade (or downgrade) to another version of ganeti-core"),
    "verify": ("cluster.verify", "Does a check on the cluster configuration"),
    "verify-disks": ("cluster.verify", "Does a check on the cluster disk status"),
    "version": ("cluster.facts", "Shows the version of Ganeti whose interface this is, and that of"
                                 " ganeti-core"),
    "watcher": ("cluster.queue", "Change watcher properties"),
}, masterfailover="master-failover", show="info")

NODE = _tool("gnt-node", {
    "add": ("node.add", "Add a node to the cluster"),
    "add-tags": ("node.lists", "Add tags to the given node"),
    "evacuate": ("node.instances", "Relocate the primary and/or secondary instances from a node"),
    "health": ("node.power", "List health of node(s) using out-of-band"),
    "failover": ("node.instances", "Stops the primary instances on a node and start them on"
                                   " their secondary node (only for instances with drbd disk"
                                   " template)"),
    "forget-debts": ("node.debts", "Give up what earlier jobs left to do on nodes"),
    "info": ("node.info", "Show information about the node(s)"),
    "list": ("node.lists", 'Lists the nodes in the cluster. The available fields can be shown'
                           ' using the "list-fields" command (see the man page for details).'
                           " The default field list is (in order): name, dtotal, dfree, mtotal,"
                           " mnode, mfree, pinst_cnt, sinst_cnt."),
    "list-debts": ("node.debts", "List what earlier jobs left to do on nodes, and why"),
    "list-fields": ("node.lists", "Lists all available fields for nodes"),
    "list-drbd": ("node.minors", "Query the list of used DRBD minors on the given node"),
    "list-storage": ("node.storage", "List storage units on node(s). The available fields are (see"
                                     " the man page for details): node, type, name, size, used,"
                                     " free, allocatable."),
    "list-tags": ("node.lists", "List the tags of the given node"),
    "migrate": ("node.instances", "Migrate all the primary instance on a node away from it (only"
                                  " for instances of type drbd)"),
    "modify": ("node.modify", "Alters the parameters of a node"),
    "modify-storage": ("node.storage", "Modify storage volume on a node"),
    "power": ("node.power", "Change power state of node by calling out-of-band helper."),
    "powercycle": ("node.power", "Tries to forcefully powercycle a node"),
    "preflight": ("node.preflight", "Looks whether hosts can be nodes"),
    "remove": ("node.modify", "Removes a node from the cluster"),
    "remove-tags": ("node.lists", "Remove tags from the given node"),
    "repair-storage": ("node.storage", "Repairs a storage volume on a node"),
    "restricted-command": ("node.restricted", "Executes a restricted command on node(s)"),
    "retry-debts": ("node.debts", "Try at once what earlier jobs left to do on nodes"),
    "volumes": ("node.storage", "List logical volumes on node(s)"),
}, show="info")

INSTANCE = _tool("gnt-instance", {
    "activate-disks": ("instance.storage", "Activate an instance's disks"),
    "add": ("instance.add", "Creates and adds a new instance to the cluster"),
    "add-tags": ("instance.lists", "Add tags to the given instance"),
    "change-group": ("instance.identity", "Change group of instance"),
    "console": ("instance.console", "Opens a console on the specified instance"),
    "deactivate-disks": ("instance.storage", "Deactivate an instance's disks"),
    "batch-create": ("instance.batch", "Create multiple instances based on specs in a file."),
    "failover": ("instance.relocate", "Stops the instance, changes its primary node and (if it"
                                      " was originally running) starts it on the new node (the"
                                      " secondary for mirrored instances or any node for shared"
                                      " storage)."),
    "grow-disk": ("instance.storage", "Grow an instance's disk"),
    "info": ("instance.info", "Show information on the specified instance(s)"),
    "list": ("instance.lists", 'Lists the instances and their status. The available fields can be'
                               ' shown using the "list-fields" command (see the man page for'
                               " details). The default field list is (in order): name,"
                               " hypervisor, os, pnode, status, oper_ram."),
    "list-fields": ("instance.lists", "Lists all available fields for instances"),
    "list-tags": ("instance.lists", "List the tags of the given instance"),
    "migrate": ("instance.relocate", "Migrate instance to its secondary node (only for mirrored"
                                     " instances)"),
    "modify": ("instance.modify", "Alters the parameters of an instance"),
    "move": ("instance.identity", "Move instance to an arbitrary node (only for instances of type"
                                  " file and lv)"),
    "reboot": ("instance.power", "Reboots an instance"),
    "recreate-disks": ("instance.storage", "Recreate an instance's disks"),
    "reinstall": ("instance.reinstall", "Reinstall a stopped instance"),
    "remove": ("instance.identity", "Shuts down the instance and removes it"),
    "remove-tags": ("instance.lists", "Remove tags from given instance"),
    "rename": ("instance.identity", "Rename the instance"),
    "replace-disks": ("instance.storage", "Replaces disks for the instance"),
    "shutdown": ("instance.power", "Stops an instance"),
    "startup": ("instance.power", "Starts an instance"),
}, start="startup", stop="shutdown", show="info")

BACKUP = _tool("gnt-backup", {
    "export": ("backup.export", "Exports an instance to an image"),
    "import": ("backup.importing", "Imports an instance from an exported image"),
    "list": ("backup.lists", "Lists instance exports available in the ganeti cluster"),
    "list-fields": ("backup.lists", "Lists all available fields for exports"),
    "remove": ("backup.export", "Remove exports of named instance from the filesystem."),
})

JOB = _tool("gnt-job", {
    "archive": ("job.archive", "Archive specified jobs"),
    "autoarchive": ("job.archive", "Auto archive jobs older than the given age"),
    "cancel": ("job.change", "Cancel specified jobs"),
    "change-priority": ("job.change", "Change the priority of jobs"),
    "info": ("job.info", "Show detailed information about the specified jobs"),
    "list": ("job.lists", 'Lists the jobs and their status. The available fields can be shown'
                          ' using the "list-fields" command (see the man page for details). The'
                          " default field list is (in order): id, status, summary."),
    "list-fields": ("job.lists", "Lists all available fields for jobs"),
    "wait": ("job.watch", "Wait for a job to finish"),
    "watch": ("job.watch", "Follow a job and print its output as it arrives"),
    "why": ("job.info", "Explain what a job waits for"),
}, show="info")

OS = _tool("gnt-os", {
    "diagnose": ("os_definitions", "Diagnose all operating systems"),
    "info": ("os_definitions", "Show detailed information about operating systems"),
    "list": ("os_definitions", "Lists all valid operating systems on the cluster"),
    "modify": ("os_definitions", "Modify the OS parameters"),
}, show="info")

DEBUG = _tool("gnt-debug", {
    "delay": ("debug", "Executes a TestDelay OpCode"),
    "iallocator": ("debug_allocator", "Executes a TestAllocator OpCode"),
    "locks": ("debug", "Show a list of locks in the master daemon"),
    "submit-job": ("debug", "Submits jobs built from json files containing a list of serialized"
                            " opcodes"),
    "test-jobqueue": ("debug_queue", "Test a few aspects of the job queue"),
    "test-osparams": ("debug_queue", "Test secret os parameter transmission"),
    "wconfd": ("debug_queue", "Directly talk to WConfD"),
}, allocator="iallocator")

FILTER = _tool("gnt-filter", {
    "add": ("job_filters", "Adds a new filter rule"),
    "delete": ("job_filters", "Deletes a filter rule"),
    "info": ("job_filters", "Show information about the filter rule(s)"),
    "list": ("job_filters", 'Lists the filter rules. The available fields can be shown using the'
                            ' "list-fields" command (see the man page for details). The default'
                            " field list is (in order): uuid, watermark, priority, predicates,"
                            " action, reason_trail."),
    "list-fields": ("job_filters", "Lists all available fields for filter rules"),
    "replace": ("job_filters", "Replaces a filter rule"),
})

GROUP = _tool("gnt-group", {
    "add": ("group.change", "Add a new node group to the cluster"),
    "add-tags": ("group.lists", "Add tags to the given group"),
    "assign-nodes": ("group.change", "Assign nodes to a group"),
    "evacuate": ("group.evacuate", "Evacuate all instances within a group"),
    "info": ("group.info", "Show group information"),
    "list": ("group.lists", 'Lists the node groups in the cluster. The available fields can be'
                            ' shown using the "list-fields" command (see the man page for'
                            " details). The default field list is (in order): name, node_cnt,"
                            " pinst_cnt, alloc_policy, ndparams."),
    "list-fields": ("group.lists", "Lists all available fields for node groups"),
    "list-tags": ("group.lists", "List the tags of the given group"),
    "modify": ("group.change", "Alters the parameters of a node group"),
    "remove": ("group.change", "Remove an (empty) node group from the cluster"),
    "remove-tags": ("group.lists", "Remove tags from the given group"),
    "rename": ("group.change", "Rename a node group"),
    "show-ispecs-cmd": ("group.lists", "Show the command line to re-create a group"),
})

NETWORK = _tool("gnt-network", {
    "add": ("network.change", "Add a new IP network to the cluster"),
    "add-tags": ("network.lists", "Add tags to the given network"),
    "connect": ("network.change", "Map a given network to the specified node group with given mode"
                                  " and link (netparams)"),
    "disconnect": ("network.change", "Unmap a given network from a specified node group"),
    "info": ("network.info", "Show information about the network(s)"),
    "list": ("network.lists", 'Lists the IP networks in the cluster. The available fields can be'
                              ' shown using the "list-fields" command (see the man page for'
                              " details). The default list is (in order): name, network, gateway,"
                              " mac_prefix, group_list, tags."),
    "list-fields": ("network.lists", "Lists all available fields for networks"),
    "list-tags": ("network.lists", "List the tags of the given network"),
    "modify": ("network.change", "Alters the parameters of a network"),
    "remove": ("network.change", "Remove an (empty) network from the cluster"),
    "remove-tags": ("network.lists", "Remove tags from given network"),
})

STORAGE = _tool("gnt-storage", {
    "diagnose": ("storage", "Diagnose all ExtStorage providers"),
    "info": ("storage", "Show info about ExtStorage providers"),
})

TOOLS = {tool.program: tool for tool in
         (CLUSTER, NODE, INSTANCE, BACKUP, JOB, OS, DEBUG, FILTER, GROUP, NETWORK, STORAGE)}
