"""A client of the remote API, with the methods of Ganeti's.

It needs nothing but Python: copied as ``ganeti_rapi_client.py`` it works alone.

    import ganeti_rapi_client as grc

    api = grc.GanetiRapiClient("cluster.example.com", username="jack", password="abc123",
                               cafile="rapi.pem")
    job = api.StartupInstance("web1.example.com")
    api.WaitForJobCompletion(job)

Methods that change something return the number of a job. One client may be used by several threads;
each has a connection of its own.
"""

# ruff: noqa: PLR0913  # the parameters are Ganeti's

from __future__ import annotations

import base64
import copy
import http.client
import json
import ssl
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.rapi import results
    from ganeti_core.rapi.results import listing as _listing
    from ganeti_core.rapi.results import short_listing as _short_listing
else:
    def _listing(method): return method  # noqa: ANN001, ANN202
    _short_listing = _listing

GANETI_RAPI_PORT = 5080
GANETI_RAPI_VERSION = 2

REPLACE_DISK_PRI, REPLACE_DISK_SECONDARY = "replace_on_primary", "replace_on_secondary"
REPLACE_DISK_CHG, REPLACE_DISK_AUTO = "replace_new_secondary", "replace_auto"
NODE_EVAC_PRI, NODE_EVAC_SEC, NODE_EVAC_ALL = "primary-only", "secondary-only", "all"
NODE_ROLE_DRAINED, NODE_ROLE_MASTER, NODE_ROLE_OFFLINE = "drained", "master", "offline"
NODE_ROLE_MASTER_CANDIDATE, NODE_ROLE_REGULAR = "master-candidate", "regular"
JOB_STATUS_QUEUED, JOB_STATUS_WAITING, JOB_STATUS_CANCELING = "queued", "waiting", "canceling"
JOB_STATUS_RUNNING, JOB_STATUS_CANCELED = "running", "canceled"
JOB_STATUS_SUCCESS, JOB_STATUS_ERROR = "success", "error"
JOB_STATUS_FINALIZED = frozenset({JOB_STATUS_CANCELED, JOB_STATUS_SUCCESS, JOB_STATUS_ERROR})
JOB_STATUS_PENDING = frozenset({JOB_STATUS_QUEUED, JOB_STATUS_WAITING, JOB_STATUS_CANCELING})
JOB_STATUS_ALL = JOB_STATUS_FINALIZED | JOB_STATUS_PENDING | {JOB_STATUS_RUNNING}

_Arguments = list[tuple[str, Any]]


class Error(Exception):
    """Any error of this client."""


class GanetiApiError(Error):
    """The cluster did not do what was asked.

    :param code: the HTTP status; None where there was no response
    """

    def __init__(self, msg: str, code: int | None = None) -> None:
        super().__init__(msg)
        self.code = code


class CertificateError(GanetiApiError):
    """The cluster's certificate is not the one that was expected."""


def _given(**values: Any) -> dict[str, Any]:
    """Those of the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """:raises Error: one is in both"""
    if both := base.keys() & more.keys():
        raise Error(f"Parameter {sorted(both)[0]} is specified twice")
    return base | {name: value for name, value in more.items() if name != "dry_run"}


def _query(reason: str | None = None, dry_run: Any = False, force: Any = False,
           bulk: Any = False, **values: Any) -> _Arguments:
    """Arguments of a query: flags that are set, and values that are not None."""
    flags = [("dry-run", dry_run), ("force", force), ("bulk", bulk)]
    query: _Arguments = [(name, 1) for name, value in flags if value]
    query += [(name, int(value) if isinstance(value, bool) else value)
              for name, value in values.items() if value is not None]
    return query + ([("reason", reason)] if reason else [])


def _tags(tags: list[str], dry_run: bool, reason: str | None) -> _Arguments:
    return [("tag", tag) for tag in tags] + _query(reason, dry_run)


class Event(NamedTuple):
    """Something that has happened: a change of a ``job`` or the ``config``, or ``lost``."""

    id: str
    name: str
    data: dict[str, Any]


class _Connection:
    """The connection of one thread, kept between requests."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout: float) -> None:
        self._where = host, port, context, timeout
        self._link: http.client.HTTPSConnection | None = None

    def exchange(self, method: str, path: str, body: bytes | None,
                 headers: dict[str, str]) -> tuple[int, bytes]:
        """Send a request and read its response.

        What only reads is sent once more when the server has closed a kept connection.
        """
        host, port, context, timeout = self._where
        while True:
            kept, link = self._link is not None, self._link or http.client.HTTPSConnection(
                host, port, timeout=timeout, context=context)
            self._link = link
            try:
                link.request(method, path, body, headers)
                response = link.getresponse()
                return response.status, response.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.close()
                if not kept or method != "GET":
                    raise
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    __del__ = close


class GanetiRapiClient:
    """A cluster's remote API.

    :param host: name or address of the cluster
    :param token: a bearer token, instead of a user's name and password
    :param cafile: certificates that are trusted, such as a copy of the cluster's ``rapi.pem``
        without the key; without it any certificate is taken, as by Ganeti's own client
    :param verify_hostname: whether the certificate must be for `host`, too
    :param timeout: seconds without any progress
    """

    USER_AGENT = "Ganeti RAPI Client"

    def __init__(
        self, host: str, port: int = GANETI_RAPI_PORT, username: str | None = None,
        password: str | None = None, *, cafile: str | None = None, verify_hostname: bool = False,
        timeout: float = 120.0, token: str | None = None,
    ) -> None:
        if username is not None and password is None:
            raise Error("Password not specified")
        if username is None and password:
            raise Error("Specified password without username")
        if token is not None and username is not None:
            raise Error("Specified both a token and a username")
        self._where = host, port, _context(cafile, verify_hostname), timeout
        self._threads = threading.local()
        self._headers = {"Accept": "application/json", "User-Agent": self.USER_AGENT}
        if username is not None:
            pair = base64.b64encode(f"{username}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        elif token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._more: _Arguments = []

    def conditional(
        self, serial_no: int | None = None, idempotency_key: str | None = None
    ) -> GanetiRapiClient:
        """This client, for one change: ``api.conditional(serial_no=5).DeleteInstance("web1")``.

        :param serial_no: of the object as it was read; if it has another one the change is refused
            (409), or its job fails
        :param idempotency_key: however often the change is sent with it, it is made once
        """
        found = copy.copy(self)
        found._more = list(_given(serial_no=serial_no).items())
        found._headers = self._headers | _given(**{"Idempotency-Key": idempotency_key})
        return found

    def events(self, after: str | None = None) -> Iterator[Event]:
        """What happens from now on, or after the event of this id, without an end.

        An event ``lost`` says that some are missing: look at everything again.

        :raises GanetiApiError: the connection was lost; ask again for what is after the last one
        """
        while True:
            found = self._SendRequest("GET", "/events", _query(after=after))
            if found["lost"]:
                yield Event(found["last"], "lost", {})
            yield from (Event(*one) for one in found["events"])
            after = found["last"]

    def _SendRequest(self, method: str, path: str, query: Any = None, content: Any = None) -> Any:
        """Send a request and return what the body of the response says.

        :raises CertificateError: the server's certificate is not trusted
        :raises GanetiApiError: another status than 200, or no response
        """
        target = urllib.parse.quote(f"/{GANETI_RAPI_VERSION}{path}")
        return self._exchange(method, target, query, content)

    def _exchange(self, method: str, target: str, query: _Arguments | None, content: Any) -> Any:
        if query := [*(query or ()), *self._more]:
            target += f"?{urllib.parse.urlencode(query)}"
        headers, body = self._headers, None
        if content is not None:
            headers = headers | {"Content-Type": "application/json"}
            body = json.dumps(content, sort_keys=True).encode()
        if not hasattr(self._threads, "connection"):
            self._threads.connection = _Connection(*self._where)
        try:
            status, found = self._threads.connection.exchange(method, target, body, headers)
        except ssl.SSLCertVerificationError as exc:
            raise CertificateError(f"SSL certificate error {exc}") from exc
        except (OSError, http.client.HTTPException) as exc:
            raise GanetiApiError(str(exc) or repr(exc)) from exc
        try:
            document = json.loads(found) if found else None
        except ValueError:
            raise GanetiApiError(f"{status}: no JSON: {found[:200]!r}", status) from None
        if status != http.client.OK:
            raise GanetiApiError(_words(document), status)
        return document

    def Request(self, method: str, path: str, query: Any = (), body: Any = None) -> Any:
        """Ask any resource, ``("GET", "/capacity", {"disk-template": "plain"})``."""
        return self._SendRequest(method, path, list(dict(query).items()), body)

    def _job(self, method: str, path: str, query: _Arguments, body: Any = None) -> int:
        return int(self._SendRequest(method, path, query, body))

    # The cluster

    def GetVersion(self) -> int:
        return int(self._exchange("GET", "/version", None, None))

    def GetFeatures(self) -> list[str]:
        return list(self._SendRequest("GET", "/features"))

    def GetOperatingSystems(self, reason: str | None = None) -> list[str]:
        return list(self._SendRequest("GET", "/os", _query(reason)))

    def GetInfo(self, reason: str | None = None) -> results.ClusterInfo:
        return cast("results.ClusterInfo", self._SendRequest("GET", "/info", _query(reason)))

    def RedistributeConfig(self, reason: str | None = None) -> int:
        return self._job("PUT", "/redistribute-config", _query(reason))

    def ModifyCluster(self, reason: str | None = None, **kwargs: Any) -> int:
        return self._job("PUT", "/modify", _query(reason), kwargs)

    def Query(self, what: str, fields: list[str], qfilter: Any = None,
              reason: str | None = None) -> dict[str, Any]:
        return dict(self._SendRequest(
            "PUT", f"/query/{what}", _query(reason), {"fields": fields} | _given(qfilter=qfilter)))

    def QueryFields(self, what: str, fields: list[str] | None = None,
                    reason: str | None = None) -> dict[str, Any]:
        named = None if fields is None else ",".join(fields)
        return dict(self._SendRequest(
            "GET", f"/query/{what}/fields", _query(reason, fields=named)))

    def _get_tags(self, path: str, reason: str | None) -> list[str]:
        return list(self._SendRequest("GET", f"{path}/tags", _query(reason)))

    def _change_tags(self, method: str, path: str, query: _Arguments) -> int:
        return int(self._SendRequest(method, f"{path}/tags", query))

    def GetClusterTags(self, reason: str | None = None) -> list[str]:
        return self._get_tags("", reason)
    def AddClusterTags(self, tags: list[str], dry_run: bool = False,
                       reason: str | None = None) -> int:
        return self._change_tags("PUT", "", _tags(tags, dry_run, reason))
    def DeleteClusterTags(self, tags: list[str], dry_run: bool = False,
                          reason: str | None = None) -> int:
        return self._change_tags("DELETE", "", _tags(tags, dry_run, reason))
    def GetInstanceTags(self, instance: str, reason: str | None = None) -> list[str]:
        return self._get_tags(f"/instances/{instance}", reason)
    def AddInstanceTags(self, instance: str, tags: list[str], dry_run: bool = False,
                        reason: str | None = None) -> int:
        return self._change_tags("PUT", f"/instances/{instance}", _tags(tags, dry_run, reason))
    def DeleteInstanceTags(self, instance: str, tags: list[str], dry_run: bool = False,
                           reason: str | None = None) -> int:
        return self._change_tags("DELETE", f"/instances/{instance}", _tags(tags, dry_run, reason))
    def GetNodeTags(self, node: str, reason: str | None = None) -> list[str]:
        return self._get_tags(f"/nodes/{node}", reason)
    def AddNodeTags(self, node: str, tags: list[str], dry_run: bool = False,
                    reason: str | None = None) -> int:
        return self._change_tags("PUT", f"/nodes/{node}", _tags(tags, dry_run, reason))
    def DeleteNodeTags(self, node: str, tags: list[str], dry_run: bool = False,
                       reason: str | None = None) -> int:
        return self._change_tags("DELETE", f"/nodes/{node}", _tags(tags, dry_run, reason))
    def GetGroupTags(self, group: str, reason: str | None = None) -> list[str]:
        return self._get_tags(f"/groups/{group}", reason)
    def AddGroupTags(self, group: str, tags: list[str], dry_run: bool = False,
                     reason: str | None = None) -> int:
        return self._change_tags("PUT", f"/groups/{group}", _tags(tags, dry_run, reason))
    def DeleteGroupTags(self, group: str, tags: list[str], dry_run: bool = False,
                        reason: str | None = None) -> int:
        return self._change_tags("DELETE", f"/groups/{group}", _tags(tags, dry_run, reason))
    def GetNetworkTags(self, network: str, reason: str | None = None) -> list[str]:
        return self._get_tags(f"/networks/{network}", reason)
    def AddNetworkTags(self, network: str, tags: list[str], dry_run: bool = False,
                       reason: str | None = None) -> int:
        return self._change_tags("PUT", f"/networks/{network}", _tags(tags, dry_run, reason))
    def DeleteNetworkTags(self, network: str, tags: list[str], dry_run: bool = False,
                          reason: str | None = None) -> int:
        return self._change_tags("DELETE", f"/networks/{network}", _tags(tags, dry_run, reason))

    def _list(self, path: str, key: str, bulk: bool, reason: str | None = None) -> list[Any]:
        found = self._SendRequest("GET", path, _query(reason, bulk=bulk))
        return list(found) if bulk else [one[key] for one in found]

    @_listing
    def GetInstances(self, bulk: bool = False, reason: str | None = None) -> list[results.Instance]:
        return self._list("/instances", "id", bulk, reason)
    def GetInstance(self, instance: str, reason: str | None = None) -> results.Instance:
        return cast("results.Instance", self._SendRequest(
            "GET", f"/instances/{instance}", _query(reason)))
    def GetInstanceInfo(self, instance: str, static: bool | None = None,
                        reason: str | None = None) -> int:
        return self._job("GET", f"/instances/{instance}/info", _query(reason, static=static))

    def InstanceAllocation(self, mode: str, name: str, disk_template: str, disks: list[Any],
                           nics: list[Any], **kwargs: Any) -> dict[str, Any]:
        return _merged({"mode": mode, "name": name, "disk_template": disk_template,
                        "disks": disks, "nics": nics}, kwargs)
    def InstancesMultiAlloc(self, instances: list[dict[str, Any]], reason: str | None = None,
                            **kwargs: Any) -> int:
        return self._job("POST", "/instances-multi-alloc", _query(reason, kwargs.get("dry_run")),
                         _merged({"instances": instances}, kwargs))
    def CreateInstance(self, mode: str, name: str, disk_template: str, disks: list[Any],
                       nics: list[Any], reason: str | None = None, **kwargs: Any) -> int:
        body = self.InstanceAllocation(mode, name, disk_template, disks, nics, **kwargs)
        return int(self._SendRequest(
            "POST", "/instances", _query(reason, kwargs.get("dry_run")), body | {"__version__": 1}))
    def DeleteInstance(self, instance: str, dry_run: bool = False, reason: str | None = None,
                       **kwargs: Any) -> int:
        return self._job("DELETE", f"/instances/{instance}", _query(reason, dry_run), kwargs)
    def ModifyInstance(self, instance: str, reason: str | None = None, **kwargs: Any) -> int:
        return self._job("PUT", f"/instances/{instance}/modify", _query(reason), kwargs)
    def ActivateInstanceDisks(self, instance: str, ignore_size: bool | None = None,
                              reason: str | None = None) -> int:
        return self._job("PUT", f"/instances/{instance}/activate-disks",
                              _query(reason, ignore_size=ignore_size or None))
    def DeactivateInstanceDisks(self, instance: str, reason: str | None = None,
                                force: bool = False) -> int:
        return self._job("PUT", f"/instances/{instance}/deactivate-disks",
                         _query(reason, force=force))
    def RecreateInstanceDisks(self, instance: str, disks: Any = None,
                              nodes: list[str] | None = None, reason: str | None = None,
                              iallocator: str | None = None) -> int:
        return self._job("POST", f"/instances/{instance}/recreate-disks", _query(reason), _given(
            disks=disks, nodes=nodes, iallocator=iallocator))
    def GrowInstanceDisk(self, instance: str, disk: int, amount: int,
                         wait_for_sync: bool | None = None, reason: str | None = None) -> int:
        return self._job("POST", f"/instances/{instance}/disk/{disk}/grow", _query(reason), _given(
            amount=amount, wait_for_sync=wait_for_sync))
    def RebootInstance(self, instance: str, reboot_type: str | None = None,
                       ignore_secondaries: bool | None = None, dry_run: bool = False,
                       reason: str | None = None, **kwargs: Any) -> int:
        return self._job("POST", f"/instances/{instance}/reboot", _query(
            reason, dry_run, type=reboot_type, ignore_secondaries=ignore_secondaries), kwargs)
    def ShutdownInstance(self, instance: str, dry_run: bool = False, no_remember: bool = False,
                         reason: str | None = None, **kwargs: Any) -> int:
        return self._job("PUT", f"/instances/{instance}/shutdown", _query(
            reason, dry_run, no_remember=no_remember or None), kwargs)
    def StartupInstance(self, instance: str, dry_run: bool = False, no_remember: bool = False,
                        reason: str | None = None) -> int:
        return self._job("PUT", f"/instances/{instance}/startup", _query(
            reason, dry_run, no_remember=no_remember or None))
    def ReinstallInstance(self, instance: str, os: str | None = None, no_startup: bool = False,
                          osparams: dict[str, Any] | None = None,
                          reason: str | None = None) -> int:
        return self._job("POST", f"/instances/{instance}/reinstall", _query(reason), _given(
            os=os, start=not no_startup, osparams=osparams))
    def ReplaceInstanceDisks(self, instance: str, disks: list[int] | None = None,
                             mode: str = REPLACE_DISK_AUTO, remote_node: str | None = None,
                             iallocator: str | None = None, reason: str | None = None,
                             early_release: bool | None = None) -> int:
        return self._job("POST", f"/instances/{instance}/replace-disks", _query(reason), _given(
            mode=mode, disks=disks, remote_node=remote_node, iallocator=iallocator,
            early_release=early_release))

    def PrepareExport(self, instance: str, mode: str, reason: str | None = None) -> int:
        return self._job("PUT", f"/instances/{instance}/prepare-export", _query(reason, mode=mode))
    def ExportInstance(self, instance: str, mode: str, destination: Any,
                       shutdown: bool | None = None, remove_instance: bool | None = None,
                       x509_key_name: Any = None, destination_x509_ca: str | None = None,
                       compress: str | None = None, reason: str | None = None) -> int:
        return self._job("PUT", f"/instances/{instance}/export", _query(reason), _given(
            mode=mode, destination=destination, shutdown=shutdown,
            remove_instance=remove_instance, x509_key_name=x509_key_name,
            destination_x509_ca=destination_x509_ca, compress=compress))
    def DeleteExport(self, instance: str, reason: str | None = None) -> int:
        return self._job("DELETE", f"/instances/{instance}/export", _query(reason))
    def MigrateInstance(self, instance: str, mode: str | None = None,
                        cleanup: bool | None = None, target_node: str | None = None,
                        reason: str | None = None) -> int:
        return self._job("PUT", f"/instances/{instance}/migrate", _query(reason), _given(
            mode=mode, cleanup=cleanup, target_node=target_node))
    def FailoverInstance(self, instance: str, iallocator: str | None = None,
                         ignore_consistency: bool | None = None, target_node: str | None = None,
                         reason: str | None = None) -> int:
        return self._job("PUT", f"/instances/{instance}/failover", _query(reason), _given(
            iallocator=iallocator, ignore_consistency=ignore_consistency,
            target_node=target_node))
    def RenameInstance(self, instance: str, new_name: str, ip_check: bool | None = None,
                       name_check: bool | None = None, reason: str | None = None) -> int:
        return self._job("PUT", f"/instances/{instance}/rename", _query(reason), _given(
            new_name=new_name, ip_check=ip_check, name_check=name_check))
    def GetInstanceConsole(self, instance: str, reason: str | None = None) -> results.Console:
        return cast("results.Console", self._SendRequest(
            "GET", f"/instances/{instance}/console", _query(reason)))

    @_short_listing
    def GetJobs(self, bulk: bool = False) -> list[results.Job]:
        return self._list("/jobs", "id", bulk)
    def GetJobStatus(self, job_id: int) -> results.Job:
        return cast("results.Job", self._SendRequest("GET", f"/jobs/{job_id}"))
    def WaitForJobCompletion(self, job_id: int, period: float = 5, retries: int = -1) -> bool:
        """Ask every `period` seconds, so many times (-1: for ever); whether it succeeded."""
        while retries != 0:
            status = self.GetJobStatus(job_id)["status"]
            if status is None or status in JOB_STATUS_FINALIZED:
                return bool(status == JOB_STATUS_SUCCESS)
            time.sleep(period)
            retries -= retries > 0
        return False
    def WaitForJobChange(self, job_id: int, fields: list[str], prev_job_info: Any,
                         prev_log_serial: int | None) -> Any:
        return self._SendRequest("GET", f"/jobs/{job_id}/wait", None, {
            "fields": fields, "previous_job_info": prev_job_info,
            "previous_log_serial": prev_log_serial})
    def CancelJob(self, job_id: int, dry_run: bool = False) -> list[Any]:
        if dry_run:
            raise Error("Canceling a job cannot be tried")
        return list(self._SendRequest("DELETE", f"/jobs/{job_id}"))

    @_short_listing
    def GetFilters(self, bulk: bool = False) -> list[results.Filter]:
        return self._list("/filters", "uuid", bulk)
    def GetFilter(self, filter_uuid: str) -> results.Filter:
        return cast("results.Filter", self._SendRequest("GET", f"/filters/{filter_uuid}"))
    def AddFilter(self, priority: int, predicates: list[Any], action: Any,
                  reason_trail: list[Any] | None = None) -> str:
        return str(self._SendRequest(
            "POST", "/filters", None, _rule(priority, predicates, action, reason_trail)))
    def ReplaceFilter(self, uuid: str, priority: int, predicates: list[Any], action: Any,
                      reason_trail: list[Any] | None = None) -> str:
        rule = _rule(priority, predicates, action, reason_trail)
        return str(self._SendRequest("PUT", f"/filters/{uuid}", None, rule))
    def DeleteFilter(self, uuid: str) -> None:
        self._SendRequest("DELETE", f"/filters/{uuid}")

    @_listing
    def GetNodes(self, bulk: bool = False, reason: str | None = None) -> list[results.Node]:
        return self._list("/nodes", "id", bulk, reason)
    def GetNode(self, node: str, reason: str | None = None) -> results.Node:
        return cast("results.Node", self._SendRequest("GET", f"/nodes/{node}", _query(reason)))
    def EvacuateNode(self, node: str, iallocator: str | None = None,
                     remote_node: str | None = None, dry_run: bool = False,
                     early_release: bool | None = None, mode: str | None = None,
                     accept_old: bool = False,  # noqa: ARG002  # no server has old results
                     reason: str | None = None) -> int:
        if iallocator and remote_node:
            raise GanetiApiError("Only one of iallocator or remote_node can be used")
        return self._job("POST", f"/nodes/{node}/evacuate", _query(reason, dry_run), _given(
            iallocator=iallocator, remote_node=remote_node, early_release=early_release,
            mode=mode))
    def MigrateNode(self, node: str, mode: str | None = None, dry_run: bool = False,
                    iallocator: str | None = None, target_node: str | None = None,
                    reason: str | None = None) -> int:
        return self._job("POST", f"/nodes/{node}/migrate", _query(reason, dry_run), _given(
            mode=mode, iallocator=iallocator, target_node=target_node))
    def GetNodeRole(self, node: str, reason: str | None = None) -> str:
        return str(self._SendRequest("GET", f"/nodes/{node}/role", _query(reason)))
    def SetNodeRole(self, node: str, role: str, force: bool = False,
                    auto_promote: bool | None = None, reason: str | None = None) -> int:
        return self._job("PUT", f"/nodes/{node}/role", _query(
            reason, force=force, **_given(**{"auto-promote": auto_promote})), role)
    def PowercycleNode(self, node: str, force: bool = False, reason: str | None = None) -> int:
        return self._job("POST", f"/nodes/{node}/powercycle", _query(reason, force=force))
    def ModifyNode(self, node: str, reason: str | None = None, **kwargs: Any) -> int:
        return self._job("POST", f"/nodes/{node}/modify", _query(reason), kwargs)
    def GetNodeStorageUnits(self, node: str, storage_type: str, output_fields: str,
                            reason: str | None = None) -> int:
        return self._job("GET", f"/nodes/{node}/storage", _query(
            reason, storage_type=storage_type, output_fields=output_fields))
    def ModifyNodeStorageUnits(self, node: str, storage_type: str, name: str,
                               allocatable: bool | None = None, reason: str | None = None) -> int:
        return self._job("PUT", f"/nodes/{node}/storage/modify", _query(
            reason, storage_type=storage_type, name=name, allocatable=allocatable))
    def RepairNodeStorageUnits(self, node: str, storage_type: str, name: str,
                               reason: str | None = None) -> int:
        return self._job("PUT", f"/nodes/{node}/storage/repair", _query(
            reason, storage_type=storage_type, name=name))

    @_listing
    def GetNetworks(self, bulk: bool = False, reason: str | None = None) -> list[results.Network]:
        return self._list("/networks", "name", bulk, reason)
    def GetNetwork(self, network: str, reason: str | None = None) -> results.Network:
        return cast("results.Network", self._SendRequest(
            "GET", f"/networks/{network}", _query(reason)))
    def CreateNetwork(self, network_name: str, network: str, gateway: str | None = None,
                      network6: str | None = None, gateway6: str | None = None,
                      mac_prefix: str | None = None, add_reserved_ips: str | None = None,
                      tags: str | None = None, dry_run: bool = False,
                      reason: str | None = None) -> int:
        return int(self._SendRequest("POST", "/networks", _query(reason, dry_run), _given(
            network_name=network_name, network=network, gateway=gateway, network6=network6,
            gateway6=gateway6, mac_prefix=mac_prefix, tags=tags.split(",") if tags else None,
            add_reserved_ips=add_reserved_ips.split(",") if add_reserved_ips else None)))
    def ConnectNetwork(self, network_name: str, group_name: str, mode: str, link: str,
                       vlan: str = "", dry_run: bool = False, reason: str | None = None) -> int:
        return self._job("PUT", f"/networks/{network_name}/connect", _query(reason, dry_run), {
            "group_name": group_name, "network_mode": mode, "network_link": link,
            "network_vlan": vlan})
    def DisconnectNetwork(self, network_name: str, group_name: str, dry_run: bool = False,
                          reason: str | None = None) -> int:
        return self._job("PUT", f"/networks/{network_name}/disconnect", _query(reason, dry_run), {
            "group_name": group_name})
    def ModifyNetwork(self, network: str, reason: str | None = None, **kwargs: Any) -> int:
        return self._job("PUT", f"/networks/{network}/modify", _query(reason), kwargs)
    def RenameNetwork(self, network: str, new_name: str, reason: str | None = None) -> int:
        return self._job("PUT", f"/networks/{network}/rename", _query(reason), {
            "new_name": new_name})
    def DeleteNetwork(self, network: str, dry_run: bool = False,
                      reason: str | None = None) -> int:
        return self._job("DELETE", f"/networks/{network}", _query(reason, dry_run))

    @_listing
    def GetGroups(self, bulk: bool = False, reason: str | None = None) -> list[results.Group]:
        return self._list("/groups", "name", bulk, reason)
    def GetGroup(self, group: str, reason: str | None = None) -> results.Group:
        return cast("results.Group", self._SendRequest("GET", f"/groups/{group}", _query(reason)))
    def CreateGroup(self, name: str, alloc_policy: str | None = None, dry_run: bool = False,
                    reason: str | None = None) -> int:
        return int(self._SendRequest("POST", "/groups", _query(reason, dry_run), _given(
            name=name, alloc_policy=alloc_policy)))
    def ModifyGroup(self, group: str, reason: str | None = None, **kwargs: Any) -> int:
        return self._job("PUT", f"/groups/{group}/modify", _query(reason), kwargs)
    def DeleteGroup(self, group: str, dry_run: bool = False, reason: str | None = None) -> int:
        return self._job("DELETE", f"/groups/{group}", _query(reason, dry_run))
    def RenameGroup(self, group: str, new_name: str, reason: str | None = None) -> int:
        return self._job("PUT", f"/groups/{group}/rename", _query(reason), {"new_name": new_name})
    def AssignGroupNodes(self, group: str, nodes: list[str], force: bool = False,
                         dry_run: bool = False, reason: str | None = None) -> int:
        return self._job("PUT", f"/groups/{group}/assign-nodes", _query(reason, dry_run, force), {
            "nodes": nodes})


def _context(cafile: str | None, verify_hostname: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if cafile is None:
        if verify_hostname:
            raise Error("verify_hostname needs a cafile: nothing else says whom to trust")
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cafile)
        context.check_hostname = verify_hostname
    return context


def _words(document: Any) -> str:
    """What a response says of its failure."""
    if isinstance(document, dict) and {"code", "message", "explain"} <= document.keys():
        return f"{document['code']} {document['message']}: {document['explain']}"
    return str(document)


def _rule(priority: int, predicates: list[Any], action: Any,
          trail: list[Any] | None) -> dict[str, Any]:
    return {"priority": priority, "predicates": predicates, "action": action,
            "reason": [*(trail or []), ["gnt:client", "", time.time_ns()]]}
