"""Queries as jobs: ``OP_QUERY``, ``OP_QUERY_FIELDS``, ``OP_CLUSTER_QUERY``, ``_CONFIG_QUERY`` and
``OP_EXT_STORAGE_DIAGNOSE``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.opcodes.cluster import ClusterConfigQuery, ClusterQuery
from ganeti_core.opcodes.other import ExtStorageDiagnose, Query, QueryFields
from ganeti_core.operations.base import Operation, request
from ganeti_core.query.cluster import CONFIG_VALUES, cluster_info, config_values

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.operations.context import OpContext

_PROVIDER_FIELDS = ("name", "node_status", "nodegroup_status", "parameters")
_LEVELS = {"instance": Level.INSTANCE, "node": Level.NODE, "group": Level.GROUP,
           "network": Level.NETWORK}


def _check_fields(asked: list[str], known: tuple[str, ...]) -> None:
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise OpPrereqError(f"Unknown output fields selected: {','.join(unknown)}", ECODE_INVAL)


class QueryResources(Operation[Query, None]):
    """Query a resource."""

    opcode = Query

    def locks(self, op: Query, snapshot: Snapshot) -> LockRequest:
        level = _LEVELS.get(op.what)
        if not op.use_locking or level is None:
            return request(op)
        return request(op, Want(level, ALL, exclusive=False))

    def plan(self, op: Query, ctx: OpContext) -> None:
        return

    def run(self, op: Query, ctx: OpContext, plan: None) -> dict[str, Any]:
        return ctx.services.queries.query(ctx.current, op.what, op.fields, op.qfilter)


class QueryResourceFields(Operation[QueryFields, None]):
    """List the fields of a resource."""

    opcode = QueryFields

    def plan(self, op: QueryFields, ctx: OpContext) -> None:
        return

    def run(self, op: QueryFields, ctx: OpContext, plan: None) -> dict[str, Any]:
        return ctx.services.queries.fields(op.what, op.fields)


class QueryCluster(Operation[ClusterQuery, None]):
    """Return the cluster's settings."""

    opcode = ClusterQuery

    def plan(self, op: ClusterQuery, ctx: OpContext) -> None:
        return

    def run(self, op: ClusterQuery, ctx: OpContext, plan: None) -> dict[str, Any]:
        return cluster_info(ctx.current, ctx.host)


class QueryConfig(Operation[ClusterConfigQuery, None]):
    """Tell single values of the configuration."""

    opcode = ClusterConfigQuery

    def plan(self, op: ClusterConfigQuery, ctx: OpContext) -> None:
        _check_fields(op.output_fields, CONFIG_VALUES)

    def run(self, op: ClusterConfigQuery, ctx: OpContext, plan: None) -> list[Any]:
        return config_values(ctx.current, ctx.host, op.output_fields)


class DiagnoseProviders(Operation[ExtStorageDiagnose, None]):
    """Return which ExtStorage providers the nodes have."""

    opcode = ExtStorageDiagnose

    def plan(self, op: ExtStorageDiagnose, ctx: OpContext) -> None:
        _check_fields(op.output_fields, _PROVIDER_FIELDS)

    def run(self, op: ExtStorageDiagnose, ctx: OpContext, plan: None) -> list[list[Any]]:
        wanted = ["name", *op.output_fields]
        rows = ctx.services.queries.query(ctx.current, "extstorage", wanted)["data"]
        return [[value for _, value in row[1:]] for row in rows
                if not op.names or row[0][1] in op.names]


OPERATIONS = (QueryResources(), QueryResourceFields(), QueryCluster(), QueryConfig(),
              DiagnoseProviders())
