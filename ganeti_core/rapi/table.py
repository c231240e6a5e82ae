"""Every resource with its methods: what each needs, and what it does.

The one table of the interface: routes, permissions and documents are made from it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ganeti_core.rapi import bodies, cluster, consoles, fields, filters, programs, waiting
from ganeti_core.rapi.events import events
from ganeti_core.rapi.permissions import CONSOLE, Rule
from ganeti_core.rapi.preconditions import PARAMETER
from ganeti_core.rapi.reading import Collection, Constant, Item
from ganeti_core.rapi.routes import Method, Resource
from ganeti_core.rapi.submission import Submit, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from ganeti_core.rapi.request import Call

VERSION = 2
FEATURES = ["instance-create-reqv1", "instance-reinstall-reqv1", "node-evac-res1",
            "node-migrate-reqv1"]

_MEMORY = (("beparams", "maxmem", "memory"),)
"""Old clients look for this one."""
_SECONDARY_IP = (("sip", None, "secondary_ip"),)
_DRY_RUN = (("dry-run", "dry_run"),)
_FORCE = (("force", "force"),)
_STORAGE = {"storage_type": "storage_types"}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_SHORT = {"job": "id", "filter": "uuid"}
_OPERATIONS = {
    # What Ganeti calls them where it does not follow from the path.
    "/": "root", "/2": "2", "/2/openapi.json": "openapi", "/2/modify": "cluster_modify",
    "/2/redistribute-config": "redist_config",
    "/2/instances/{instance}/disk/{disk}/grow": "instances_name_disk_grow",
    "/2/query/{resource}": "query", "/2/query/{resource}/fields": "query_fields",
}


async def openapi(_call: Call) -> bytes:
    """Describe all this as an OpenAPI document."""
    # It is made of this very table.
    from ganeti_core.rapi.openapi import encoded_document

    return encoded_document()


def _operation(path: str) -> str:
    named = _OPERATIONS.get(path)
    if named is not None:
        return named
    words = _PLACEHOLDER.sub(lambda found: _SHORT.get(found[1], "name"), path)
    return words.removeprefix("/2").strip("/").replace("/", "_").replace("-", "_")


def _resource(path: str, **methods: Method) -> Resource:
    return Resource(path, _operation(path), methods)


def _read(permission: str, run: Callable[[Call], Awaitable[bytes]]) -> Method:
    """A method that anybody may use, unless everybody is asked who they are."""
    return Method(Rule(permission, public=True), run, isinstance(run, Collection),
                  versioned=isinstance(run, cluster.Info) or (
                      isinstance(run, Item) and PARAMETER in run.fields))


def _act(
    permission: str, run: Callable[[Call], Awaitable[bytes | AsyncIterator[bytes]]]
) -> Method:
    return Method(Rule(permission), run,
                  conditional=run is bodies.reinstall or (
                      isinstance(run, Submit) and run.changes_one_object))


def _tags(path: str, kind: str) -> Resource:
    static = "name" if kind != "cluster" else None

    def submit(opcode: str) -> Submit:
        return Submit(
            opcode, names=(static,) if static else (), flags=_DRY_RUN, fixed=lambda request: {
                "kind": kind, "tags": bodies.tags(request), **({} if static else {"name": None})},
            body=bodies.unless_list)

    return _resource(
        f"{path}/tags", GET=_read("tags.get", cluster.Tags(kind)),
        PUT=_act("tags.set", submit("OP_TAGS_SET")),
        DELETE=_act("tags.delete", submit("OP_TAGS_DEL")))


def _general() -> Iterator[Resource]:
    yield _resource("/", GET=_read("cluster.info", Constant(None)))
    yield _resource("/2", GET=_read("cluster.info", Constant(None)))
    yield _resource("/version", GET=_read("cluster.info", Constant(VERSION)))
    yield _resource("/2/features", GET=_read("cluster.info", Constant(FEATURES)))
    yield _resource("/2/openapi.json", GET=_read("cluster.info", openapi))
    yield _resource("/2/events", GET=_act("query.all", events))
    yield _resource("/2/info", GET=_read("cluster.info", cluster.Info()))
    yield _resource("/2/os", GET=_read("os.list", waiting.operating_systems))
    yield _resource("/2/modify", PUT=_act("cluster.modify", Submit(
        "OP_CLUSTER_SET_PARAMS", forbidden=frozenset({"compression_tools"}))))
    yield _resource("/2/redistribute-config", PUT=_act(
        "cluster.redistribute_config", Submit("OP_CLUSTER_REDIST_CONF")))
    yield _tags("/2", "cluster")
    yield _resource("/2/verify", POST=_act("cluster.verify", Submit("OP_CLUSTER_VERIFY")))
    yield _resource("/2/capacity", GET=_act("cluster.capacity", programs.capacity))
    yield _resource("/2/balance", GET=_act("cluster.balance", programs.balance),
                    POST=_act("cluster.rebalance", programs.rebalance))
    query = Method(Rule("query.all"), cluster.query, heavy=True)
    yield _resource("/2/query/{resource}", GET=query, PUT=query)
    yield _resource("/2/query/{resource}/fields", GET=_read("query.all", cluster.query_fields))


def _jobs() -> Iterator[Resource]:
    yield _resource("/2/jobs", GET=_read("jobs.list", Collection(
        "job", fields.JOB_BULK, id_field="id")))
    yield _resource("/2/jobs/{job}", GET=_read("jobs.query", waiting.job),
                    DELETE=_act("jobs.cancel", waiting.cancel))
    yield _resource("/2/jobs/{job}/wait", GET=_act("jobs.wait", waiting.wait))
    yield _resource(
        "/2/filters",
        GET=_read("filter.list", Collection("filter", fields.FILTER, "uuid", "uuid")),
        POST=_act("filter.create", filters.add))
    yield _resource(
        "/2/filters/{filter}", GET=_read("filter.query", Item("filter", fields.FILTER)),
        PUT=_act("filter.modify", filters.replace), DELETE=_act("filter.remove", filters.remove))


def _nodes() -> Iterator[Resource]:
    one, names = "/2/nodes/{node}", ("node_name",)
    yield _resource("/2/nodes", GET=_read("nodes.list", Collection("node", fields.NODE)))
    yield _resource(one, GET=_read("nodes.query", Item("node", fields.NODE, _SECONDARY_IP)))
    yield _resource(
        f"{one}/role", GET=_read("nodes.role.query", cluster.node_role),
        PUT=_act("nodes.role.modify", Submit(
            "OP_NODE_SET_PARAMS", names, _FORCE, bodies.node_role, bodies.no_body)))
    yield _resource(f"{one}/powercycle", POST=_act("nodes.powercycle", Submit(
        "OP_NODE_POWERCYCLE", names, _FORCE)))
    yield _resource(f"{one}/evacuate", POST=_act("nodes.evacuate", Submit(
        "OP_NODE_EVACUATE", names, _DRY_RUN)))
    yield _resource(f"{one}/migrate", POST=_act("nodes.migrate", Submit(
        "OP_NODE_MIGRATE", names, body=bodies.migrate_node)))
    yield _resource(f"{one}/modify", POST=_act("nodes.modify", Submit(
        "OP_NODE_SET_PARAMS", names)))
    yield _resource(f"{one}/storage", GET=_act("nodes.storage.query", Submit(
        "OP_NODE_QUERY_STORAGE", choices=_STORAGE, fixed=bodies.storage_listing)))
    yield _resource(f"{one}/storage/modify", PUT=_act("nodes.storage.modify", Submit(
        "OP_NODE_MODIFY_STORAGE", names, choices=_STORAGE, fixed=bodies.storage_changes)))
    yield _resource(f"{one}/storage/repair", PUT=_act("nodes.storage.repair", Submit(
        "OP_REPAIR_NODE_STORAGE", names, choices=_STORAGE, fixed=bodies.storage_unit)))
    yield _tags(one, "node")


def _instances() -> Iterator[Resource]:
    one, names = "/2/instances/{instance}", ("instance_name",)
    yield _resource(
        "/2/instances",
        GET=_read("instances.list", Collection("instance", fields.INSTANCE, repeated=_MEMORY)),
        POST=_act("instances.create", Submit(
            "OP_INSTANCE_CREATE", flags=_DRY_RUN, body=bodies.instance_create,
            renamed=bodies.INSTANCE_RENAMED, choices={"disk_template": "diskparams"})))
    yield _resource("/2/instances-placement", POST=_act("instances.place", Submit(
        "OP_INSTANCE_CREATE", fixed=bodies.explained, body=bodies.instance_create,
        renamed=bodies.INSTANCE_RENAMED, choices={"disk_template": "diskparams"})))
    yield _resource("/2/instances-multi-alloc", POST=_act("instances.multi_alloc", Submit(
        "OP_INSTANCE_MULTI_ALLOC", flags=_DRY_RUN, body=bodies.multi_alloc)))
    yield _resource(
        one, GET=_read("instances.query", Item("instance", fields.INSTANCE, _MEMORY)),
        DELETE=_act("instances.remove", Submit(
            "OP_INSTANCE_REMOVE", names, _DRY_RUN, lambda _request: {"ignore_failures": False})))
    yield _resource(f"{one}/info", GET=_read("instances.info", Submit(
        "OP_INSTANCE_QUERY_DATA", flags=(("static", "static"),),
        fixed=lambda request: {"instances": [request.name]})))
    yield _resource(f"{one}/console", GET=_act(CONSOLE, consoles.how),
                    POST=_act(CONSOLE, consoles.ticket))
    yield _resource(f"{one}/console/relay", GET=Method(
        Rule(CONSOLE), consoles.reach, by_ticket=True))
    yield _tags(one, "instance")
    yield from _power(one, names)
    yield from _moves(one, names)
    yield from _disks(one, names)


def _power(one: str, names: tuple[str, ...]) -> Iterator[Resource]:
    yield _resource(f"{one}/startup", PUT=_act("instances.startup", Submit(
        "OP_INSTANCE_STARTUP", names, (*_FORCE, *_DRY_RUN, ("no_remember", "no_remember")))))
    yield _resource(f"{one}/shutdown", PUT=_act("instances.shutdown", Submit(
        "OP_INSTANCE_SHUTDOWN", names, (*_DRY_RUN, ("no_remember", "no_remember")))))
    yield _resource(f"{one}/reboot", POST=_act("instances.reboot", Submit(
        "OP_INSTANCE_REBOOT", names,
        (*_DRY_RUN, ("ignore_secondaries", "ignore_secondaries")),
        lambda request: {"reboot_type": request.text("type", "hard")})))
    yield _resource(f"{one}/modify", PUT=_act("instances.modify", Submit(
        "OP_INSTANCE_SET_PARAMS", names, body=bodies.instance_modify,
        renamed={"custom_beparams": "beparams", "custom_hvparams": "hvparams"})))
    yield _resource(f"{one}/rename", PUT=_act("instances.rename", Submit(
        "OP_INSTANCE_RENAME", names)))
    yield _resource(f"{one}/reinstall", POST=_act("instances.reinstall", bodies.reinstall))


def _moves(one: str, names: tuple[str, ...]) -> Iterator[Resource]:
    yield _resource(f"{one}/migrate", PUT=_act("instances.migrate", Submit(
        "OP_INSTANCE_MIGRATE", names)))
    yield _resource(f"{one}/failover", PUT=_act("instances.failover", Submit(
        "OP_INSTANCE_FAILOVER", names)))
    yield _resource(f"{one}/prepare-export", PUT=_act("instances.export.prepare", Submit(
        "OP_BACKUP_PREPARE", names, fixed=lambda request: {"mode": request.text("mode")})))
    yield _resource(
        f"{one}/export",
        PUT=_act("instances.export.create", Submit(
            "OP_BACKUP_EXPORT", names, renamed={"destination": "target_node"})),
        DELETE=_act("instances.export.remove", Submit("OP_BACKUP_REMOVE", names)))


def _disks(one: str, names: tuple[str, ...]) -> Iterator[Resource]:
    yield _resource(f"{one}/activate-disks", PUT=_act("instances.activate_disks", Submit(
        "OP_INSTANCE_ACTIVATE_DISKS", names, (("ignore_size", "ignore_size"),))))
    yield _resource(f"{one}/deactivate-disks", PUT=_act("instances.deactivate_disks", Submit(
        "OP_INSTANCE_DEACTIVATE_DISKS", names, _FORCE)))
    yield _resource(f"{one}/replace-disks", POST=_act("instances.replace_disks", Submit(
        "OP_INSTANCE_REPLACE_DISKS", names, body=bodies.replace_disks)))
    yield _resource(f"{one}/recreate-disks", POST=_act("instances.recreate_disks", Submit(
        "OP_INSTANCE_RECREATE_DISKS", names)))
    yield _resource(f"{one}/disk/{{disk}}/grow", POST=_act("instances.grow_disk", Submit(
        "OP_INSTANCE_GROW_DISK", names, fixed=bodies.disk_index)))


def _groups() -> Iterator[Resource]:
    one, names = "/2/groups/{group}", ("group_name",)
    yield _resource(
        "/2/groups", GET=_read("groups.list", Collection("group", fields.GROUP, "name")),
        POST=_act("groups.create", Submit(
            "OP_GROUP_ADD", flags=_DRY_RUN, renamed={"name": "group_name"})))
    yield _resource(
        one, GET=_read("groups.query", Item("group", fields.GROUP)),
        DELETE=_act("groups.delete", Submit("OP_GROUP_REMOVE", names, _DRY_RUN)))
    yield _resource(f"{one}/modify", PUT=_act("groups.modify", Submit(
        "OP_GROUP_SET_PARAMS", names, renamed={
            "custom_ndparams": "ndparams", "custom_ipolicy": "ipolicy",
            "custom_diskparams": "diskparams"})))
    yield _resource(f"{one}/rename", PUT=_act("groups.rename", Submit(
        "OP_GROUP_RENAME", names, _DRY_RUN)))
    yield _resource(f"{one}/assign-nodes", PUT=_act("groups.assign_nodes", Submit(
        "OP_GROUP_ASSIGN_NODES", names, (*_DRY_RUN, *_FORCE))))
    yield _tags(one, "nodegroup")


def _networks() -> Iterator[Resource]:
    one, names = "/2/networks/{network}", ("network_name",)
    yield _resource(
        "/2/networks", GET=_read("networks.list", Collection("network", fields.NETWORK, "name")),
        POST=_act("networks.create", Submit(
            "OP_NETWORK_ADD", flags=_DRY_RUN, renamed={"name": "network_name"})))
    yield _resource(
        one, GET=_read("networks.query", Item("network", fields.NETWORK)),
        DELETE=_act("networks.remove", Submit("OP_NETWORK_REMOVE", names, _DRY_RUN)))
    yield _resource(f"{one}/connect", PUT=_act("networks.connect", Submit(
        "OP_NETWORK_CONNECT", names, _DRY_RUN)))
    yield _resource(f"{one}/disconnect", PUT=_act("networks.disconnect", Submit(
        "OP_NETWORK_DISCONNECT", names, _DRY_RUN)))
    yield _resource(f"{one}/modify", PUT=_act("networks.modify", Submit(
        "OP_NETWORK_SET_PARAMS", names)))
    yield _resource(f"{one}/rename", PUT=_act("networks.rename", Unavailable(
        "Renaming a network")))
    yield _tags(one, "network")


def resources() -> list[Resource]:
    """All of them."""
    return [*_general(), *_jobs(), *_nodes(), *_instances(), *_groups(), *_networks()]
