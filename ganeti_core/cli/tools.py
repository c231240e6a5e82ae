"""The programs and their commands: name, what it does, and the module that does it.

A module holds ``COMMANDS``, a mapping of command name to `session.Command`; it is imported only
when one of its commands runs.
"""

from __future__ import annotations

from dataclasses import dataclass

COMPATIBLE_RELEASE = "3.0.2"
"""The release whose commands, options and outputs these are; scripts ask with ``--version``."""


@dataclass(frozen=True)
class Entry:
    """One line of a program's table."""

    summary: str
    module: str


@dataclass(frozen=True)
class Tool:
    program: str
    commands: dict[str, Entry]
    aliases: dict[str, str]


def _tool(program: str, commands: dict[str, tuple[str, str]], **aliases: str) -> Tool:
    """Build a table; a module is named relative to this package."""
    return Tool(program, {name: Entry(summary, f"{__package__}.{module}")
                          for name, (module, summary) in commands.items()}, aliases)


CLUSTER = _tool("gnt-cluster", {
    "activate-master-ip": ("cluster.master_ip", "Activates the master IP"),
    "add-tags": ("cluster.tags", "Add tags to the cluster"),
    "deactivate-master-ip": ("cluster.master_ip", "Deactivates the master IP"),
    "destroy": ("cluster.lifecycle", "Destroy cluster"),
    "export-config": ("cluster.config_file",
                      "Writes the configuration in the form of Ganeti's config.data"),
    "getmaster": ("cluster.facts", "Shows the cluster master"),
    "import-config": ("cluster.config_file",
                      "Makes this host the master of a cluster described by a config.data"),
    "info": ("cluster.info", "Show cluster configuration"),
    "init": ("cluster.init", "Initialises a new cluster configuration"),
    "list-tags": ("cluster.tags", "List the tags of the cluster"),
    "master-failover": ("cluster.lifecycle", "Makes the current node the master"),
    "master-ping": ("cluster.facts", "Checks if the master is alive"),
    "modify": ("cluster.modify", "Alters the parameters of the cluster"),
    "plugins": ("cluster.plugins", "Shows the plugins of this cluster, their origin and health"),
    "queue": ("cluster.queue", "Change queue properties"),
    "redist-conf": ("cluster.lifecycle",
                    "Forces a push of the configuration file and ssconf files to the nodes in"
                    " the cluster"),
    "remove-tags": ("cluster.tags", "Remove tags from the cluster"),
    "rename": ("cluster.modify", "Renames the cluster"),
    "renew-crypto": ("cluster.renew_crypto", "Renews cluster certificates, keys and secrets"),
    "search-tags": ("cluster.tags", "Searches the tags on all objects on the cluster for a given"
                                    " pattern (regex)"),
    "verify": ("cluster.verify", "Does a check on the cluster configuration"),
    "verify-disks": ("cluster.verify", "Does a check on the cluster disk status"),
    "version": ("cluster.facts", "Shows the cluster version"),
    "watcher": ("cluster.queue", "Change watcher properties"),
}, masterfailover="master-failover", show="info")

NODE = _tool("gnt-node", {
    "add": ("node.add", "Add a node to the cluster"),
    "add-tags": ("node.tags", "Add tags to the given node"),
    "evacuate": ("node.instances", "Relocate the primary and/or secondary instances from a node"),
    "failover": ("node.instances", "Stops the primary instances on a node and start them on"
                                   " their secondary node (only for instances with drbd disk"
                                   " template)"),
    "info": ("node.info", "Show information about the node(s)"),
    "list": ("node.lists", 'Lists the nodes in the cluster. The available fields can be shown'
                           ' using the "list-fields" command (see the man page for details).'
                           " The default field list is (in order): name, dtotal, dfree, mtotal,"
                           " mnode, mfree, pinst_cnt, sinst_cnt."),
    "list-fields": ("node.lists", "Lists all available fields for nodes"),
    "list-tags": ("node.tags", "List the tags of the given node"),
    "migrate": ("node.instances", "Migrate all the primary instance on a node away from it (only"
                                  " for instances of type drbd)"),
    "modify": ("node.modify", "Alters the parameters of a node"),
    "remove": ("node.modify", "Removes a node from the cluster"),
    "remove-tags": ("node.tags", "Remove tags from the given node"),
}, show="info")

INSTANCE = _tool("gnt-instance", {
    "activate-disks": ("instance.storage", "Activate an instance's disks"),
    "add": ("instance.add", "Creates and adds a new instance to the cluster"),
    "add-tags": ("instance.tags", "Add tags to the given instance"),
    "change-group": ("instance.identity", "Change group of instance"),
    "console": ("instance.console", "Opens a console on the specified instance"),
    "deactivate-disks": ("instance.storage", "Deactivate an instance's disks"),
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
    "list-tags": ("instance.tags", "List the tags of the given instance"),
    "migrate": ("instance.relocate", "Migrate instance to its secondary node (only for mirrored"
                                     " instances)"),
    "modify": ("instance.modify", "Alters the parameters of an instance"),
    "move": ("instance.identity", "Move instance to an arbitrary node (only for instances of type"
                                  " file and lv)"),
    "reboot": ("instance.power", "Reboots an instance"),
    "recreate-disks": ("instance.storage", "Recreate an instance's disks"),
    "reinstall": ("instance.reinstall", "Reinstall a stopped instance"),
    "remove": ("instance.remove", "Shuts down the instance and removes it"),
    "remove-tags": ("instance.tags", "Remove tags from given instance"),
    "rename": ("instance.identity", "Rename the instance"),
    "replace-disks": ("instance.storage", "Replaces disks for the instance"),
    "shutdown": ("instance.power", "Stops an instance"),
    "startup": ("instance.power", "Starts an instance"),
}, start="startup", stop="shutdown", show="info")

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
    "why": ("job.why", "Explain what a job waits for"),
}, show="info")

OS = _tool("gnt-os", {
    "diagnose": ("os_definitions", "Diagnose all operating systems"),
    "info": ("os_definitions", "Show detailed information about operating systems"),
    "list": ("os_definitions", "Lists all valid operating systems on the cluster"),
}, show="info")

DEBUG = _tool("gnt-debug", {
    "delay": ("debug", "Executes a TestDelay OpCode"),
    "locks": ("debug", "Show a list of locks in the master daemon"),
    "submit-job": ("debug", "Submits jobs built from json files containing a list of serialized"
                            " opcodes"),
})

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
    "add-tags": ("group.tags", "Add tags to the given group"),
    "assign-nodes": ("group.change", "Assign nodes to a group"),
    "info": ("group.info", "Show group information"),
    "list": ("group.lists", 'Lists the node groups in the cluster. The available fields can be'
                            ' shown using the "list-fields" command (see the man page for'
                            " details). The default field list is (in order): name, node_cnt,"
                            " pinst_cnt, alloc_policy, ndparams."),
    "list-fields": ("group.lists", "Lists all available fields for node groups"),
    "list-tags": ("group.tags", "List the tags of the given group"),
    "modify": ("group.change", "Alters the parameters of a node group"),
    "remove": ("group.change", "Remove an (empty) node group from the cluster"),
    "remove-tags": ("group.tags", "Remove tags from the given group"),
    "rename": ("group.change", "Rename a node group"),
})

TOOLS = {tool.program: tool for tool in
         (CLUSTER, NODE, INSTANCE, JOB, OS, DEBUG, FILTER, GROUP)}
