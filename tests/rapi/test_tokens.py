"""Tokens: made, kept, refused; and what somebody with a scope sees and may do."""

from __future__ import annotations

import asyncio
import json
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asked import JOB, Answer, FakeMaster, application, ask

from ganeti_core.rapi.application import Application
from ganeti_core.rapi.audit import AuditLog
from ganeti_core.rapi.permissions import Actor, Rule, decide, resolve
from ganeti_core.rapi.scoped_master import ScopedMaster
from ganeti_core.rapi.scopes import Scope, Thing
from ganeti_core.rapi.token_command import main
from ganeti_core.rapi.tokens import Token, digest_of, parse_tokens, tokens_file

START = Rule("instances.startup")


def row(kind: str, name: str, tags: list[str], **lies: Any) -> dict[str, Any]:
    return {"name": name, "uuid": f"uuid-{name}", "tags": tags, **lies}


def job(number: int, *ops: dict[str, Any]) -> list[Any]:
    return [number, [{"reason": [], **op} for op in ops]]


STARTUP = {"OP_ID": "OP_INSTANCE_STARTUP"}


class SmallCluster(FakeMaster):
    """A master with two instances, nodes and groups: one of each belongs to ``shop``."""

    objects: dict[str, list[dict[str, Any]]] = {
        "instance": [
            row("instance", "web1", ["shop", "owner:jill"], **{
                "pnode.group": "blue", "snodes.group": []}),
            row("instance", "db1", ["bank"], **{"pnode.group": "red", "snodes.group": ["blue"]})],
        "node": [row("node", "node1", ["shop"], group="blue", pinst_list=["web1", "db1"]),
                 row("node", "node2", [], group="red", pinst_list=[])],
        "group": [row("group", "blue", []), row("group", "red", [])],
        "network": [row("network", "net1", ["shop"], group_list=[["blue", "bridged", "br0"]])]}
    queue: list[list[Any]] = [
        job(1, {**STARTUP, "instance_name": "web1"}), job(2, {**STARTUP, "instance_name": "db1"}),
        job(3, {"OP_ID": "OP_CLUSTER_VERIFY"}), job(4, {**STARTUP, "instance_name": "gone"})]

    async def call(self, method: str, *args: Any, wait: float = 0.0) -> Any:
        self.calls.append((method, *args))
        if method == "QueryRecords":
            what, names, fields, _ = args
            known = (self.objects[what] if what != "job" else
                     [{"id": number, "ops": ops} for number, ops in self.queue])
            return [{name: one[name] for name in fields} for one in known
                    if not names or one.get("name") in names]
        if method == "QueryJobs":
            wanted = {number: [number, ops] for number, ops in self.queue}
            rows = [wanted.get(n) for n in args[0]] if args[0] else list(wanted.values())
            return [row and row[:len(args[1])] for row in rows]
        if method == "Query":
            what, fields, _ = args
            return {"fields": [{"name": name} for name in fields], "data": [
                [[0, list(one[name]) if isinstance(one[name], list) else one[name]]
                 for name in fields] for one in self.objects[what]]}
        if method == "WaitForEvents":
            return {"last": "x-9", "lost": False, "events": [
                *(["x", "job", {"id": number}] for number, _ in self.queue),
                ["x", "config", {"serial": 5, "changed": {"instance": [
                    {"uuid": "uuid-web1"}, {"uuid": "uuid-db1"}], "cluster": [{"uuid": "c"}]}}],
                ["x", "config", {"serial": 6, "changed": {"instance": [{"uuid": "uuid-db1"}]}}]]}
        return {"QueryTags": ["a"], "QueryClusterInfo": {
            "diskparams": {"diskless": {}}, "storage_types": ["file"]}}[method]


def made(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The text of a token that the command has made."""
    capsys.readouterr()
    assert main(["add", "ci", *words, "--file", str(folder / "tokens")]) == 0
    return capsys.readouterr().out.strip()


def served(folder: Path, master: Any = None, **more: Any) -> Application:
    app = application(folder, master or SmallCluster(), **more)
    app.login.tokens = tokens_file(folder / "tokens")
    return app


def with_token(app: Application, text: str, method: str, path: str, body: Any = None) -> Answer:
    raw = b"" if body is None else json.dumps(body).encode()
    return ask(app, method, path, raw, {
        "authorization": f"Bearer {text}", "content-type": "application/json"})


def test_a_token_is_shown_once_and_kept_as_a_digest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = made(tmp_path, capsys, "@readonly", "--tag", "shop", "--group", "blue", "--owner",
                "jill", "--expires", "2100-01-31")

    kept = (tmp_path / "tokens").read_text()
    assert stat.S_IMODE((tmp_path / "tokens").stat().st_mode) == 0o600
    assert text not in kept
    (token,) = parse_tokens(kept)[0].values()
    assert token.digest == digest_of(text)
    assert token.scope == Scope(frozenset({"shop"}), frozenset({"blue"}), "jill")
    assert main(["list", "--file", str(tmp_path / "tokens")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("ci @readonly tag=shop group=blue owner=jill expires=2100-01-31")
    assert token.digest not in shown


@pytest.mark.parametrize("words", [
    ["add", "a b", "@admin"], ["add", "ci", "@nobody"], ["add", "ci", "jobs.list,-jobs.list"],
    ["remove", "ci"]])
def test_what_makes_no_sense_is_refused(tmp_path: Path, words: list[str]) -> None:
    assert main([*words, "--file", str(tmp_path / "tokens")]) == 1
    assert not (tmp_path / "tokens").exists()


@pytest.mark.parametrize("option", ["--tag", "--group", "--owner"])
def test_a_bound_that_is_empty_makes_no_token_without_bounds(tmp_path: Path, option: str) -> None:
    with pytest.raises(SystemExit):
        main(["add", "ci", "@admin", option, "", "--file", str(tmp_path / "tokens")])
    assert not (tmp_path / "tokens").exists()


def test_a_file_that_is_no_text_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tokens").write_bytes(b"\xff")
    assert main(["list", "--file", str(tmp_path / "tokens")]) == 1
    assert "no text in UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("when", ["soon", "2001-01-01", "5x"])
def test_an_end_that_is_none_is_refused(tmp_path: Path, when: str) -> None:
    with pytest.raises(SystemExit):
        main(["add", "ci", "@admin", "--expires", when, "--file", str(tmp_path / "tokens")])


def test_a_name_is_given_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path, capsys, "@admin")

    assert main(["add", "ci", "@admin", "--file", str(tmp_path / "tokens")]) == 1


@pytest.mark.parametrize("line", [
    "{", "[]", '{"name": "x"}', '{"name": "x", "sha256": 1}',
    '{"name": "x", "sha256": "a", "expires": "never"}', '{"name": "x", "sha256": "a", "tags": "t"}',
    '{"name": "x", "sha256": "a", "networks": ["n"]}', '{"name": "x", "sha256": "a", "tags": []}',
    '{"name": "x", "sha256": "a", "owner": ""}', '{"name": "x", "sha256": "a", "expires": 1e400}'])
def test_a_damaged_line_is_no_token(line: str) -> None:
    tokens, odd = parse_tokens(line)

    assert not tokens
    assert "line 1" in odd[0]


def test_an_expired_token_is_refused_without_a_restart(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(
        Token("ci", digest_of("text"), "@readonly", expires=100).to_line())
    app = served(tmp_path, audit=AuditLog(tmp_path / "audit.log"))
    app.login.now = lambda: 99.0
    assert with_token(app, "text", "GET", "/2/query/node?fields=name").status == 200

    app.login.now = lambda: 100.0
    answer = with_token(app, "text", "GET", "/2/query/node?fields=name")

    assert answer.status == 401
    assert "expired" not in answer.message
    assert "token:ci has expired" in (tmp_path / "audit.log").read_text()


def test_a_removed_token_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = made(tmp_path, capsys, "@admin")
    app = served(tmp_path)
    now = [0.0]
    app.login.tokens = tokens_file(tmp_path / "tokens", clock=lambda: now[0])
    assert with_token(app, text, "PUT", "/2/tags?tag=a").status == 200

    assert main(["remove", "ci", "--file", str(tmp_path / "tokens")]) == 0
    now[0] += 2
    assert with_token(app, text, "PUT", "/2/tags?tag=a").status == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer nosuch", "Digest x", "Bearer \xff"])
def test_what_is_no_token_is_refused(tmp_path: Path, header: str) -> None:
    app = served(tmp_path)

    answer = ask(app, "PUT", "/2/tags?tag=a", headers={"authorization": header})

    assert answer.status == (400 if header == "Bearer" else 401)


SHOP = Scope(tags=frozenset({"shop"}))
BLUE = Scope(groups=frozenset({"blue"}))


@pytest.mark.parametrize(("scope", "thing", "covered"), [
    (SHOP, Thing("instance", "a", tags=frozenset({"shop", "x"})), True),
    (SHOP, Thing("instance", "a", tags=frozenset({"x"})), False),
    (SHOP, Thing("node", "a", used=True), True),
    (BLUE, Thing("node", "a", groups=frozenset({"blue"})), True),
    (BLUE, Thing("instance", "a", groups=frozenset({"blue", "red"})), False),
    (BLUE, Thing("instance", "a"), False),
    (BLUE, Thing("node", "a", groups=frozenset({"red"}), used=True), False),
    (Scope(owner="jill"), Thing("instance", "a", tags=frozenset({"owner:jill"})), True),
    (Scope(owner="jill"), Thing("instance", "a", tags=frozenset({"owner:jack"})), False),
    (Scope(frozenset({"shop"}), frozenset({"blue"})),
     Thing("node", "a", tags=frozenset({"shop"}), groups=frozenset({"red"})), False),
])
def test_the_decision_looks_at_the_scope(scope: Scope, thing: Thing, covered: bool) -> None:
    actor = Actor("token:ci", resolve(["@admin"])[0], scope)

    assert decide(actor, START, thing).allowed is covered
    assert scope.from_dict(scope.to_dict()) == scope


ALLOWED: list[tuple[str, str, Any]] = [
    ("PUT", "/2/instances/web1/startup", None),
    ("PUT", "/2/instances/web1/failover", {"target_node": "node1"}),
    ("POST", "/2/instances", {"tags": ["shop"], "pnode": "node1"}),
    ("POST", "/2/nodes/node1/powercycle", None),
    ("PUT", "/2/networks/net1/connect", {"group_name": "blue", "network_mode": "bridged",
                                         "network_link": "br0"}),
    ("POST", "/2/instances", {"tags": ["shop"], "pnode": "node1", "name": "web1", "commit": True}),
    ("POST", "/2/instances/web1/recreate-disks", {"nodes": ["node1"]}),
    ("PUT", "/2/instances/web1/tags?tag=x", None), ("DELETE", "/2/instances/web1", None)]
REFUSED: list[tuple[str, str, Any]] = [
    ("PUT", "/2/instances/db1/startup", None), ("PUT", "/2/instances/nosuch/startup", None),
    ("PUT", "/2/instances/web1/startup", {"instance_uuid": "uuid-db1"}),
    ("PUT", "/2/instances/web1/failover", {"target_node": "node2"}),
    ("POST", "/2/instances", {"tags": ["bank"], "pnode": "node1"}),
    ("POST", "/2/instances", {"tags": ["shop"], "pnode": "node2"}),
    ("POST", "/2/instances", {"tags": ["shop"]}),
    ("POST", "/2/instances", {"tags": ["shop"], "pnode": "node1", "pnode_uuid": "x"}),
    ("POST", "/2/instances", {"tags": ["shop"], "pnode": "node1", "mode": "import"}),
    ("POST", "/2/instances", {"tags": ["shop"], "pnode": "node1", "disks": [{"adopt": "x"}]}),
    ("POST", "/2/instances", {"tags": ["shop"], "pnode": "node1", "name": "db1", "commit": True}),
    ("POST", "/2/instances/web1/recreate-disks", {"iallocator": "hail"}),
    ("POST", "/2/nodes/node2/powercycle", None), ("PUT", "/2/modify", {}),
    ("PUT", "/2/tags?tag=x", None), ("PUT", "/2/redistribute-config", None),
    ("POST", "/2/groups", {"name": "green"}), ("POST", "/2/filters", {}),
    ("GET", "/2/filters", None),
    ("GET", "/2/query/lock?fields=name", None),
    ("PUT", "/2/query/node", {"fields": ["name"], "qfilter": ["=[]", "pinst_list", "db1"]})]
NEW = {"__version__": 1, "mode": "create", "name": "new", "disks": [], "nics": [],
       "disk_template": "diskless"}


def narrow(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    return made(folder, capsys, "@admin", "--tag", "shop", "--group", "blue")


@pytest.mark.parametrize(("method", "path", "body"), [*ALLOWED, *REFUSED])
def test_a_scope_is_a_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str, path: str, body: Any
) -> None:
    master, audit = SmallCluster(), tmp_path / "audit.log"
    # Groups and networks as the cluster tags them are in no tag's scope.
    text = made(tmp_path, capsys, "@admin", "--group", "blue") if "connect" in path else narrow(
        tmp_path, capsys)
    app = served(tmp_path, master, audit=AuditLog(audit))
    sent = NEW | body if path == "/2/instances" else body

    answer = with_token(app, text, method, path, sent)

    if (method, path, body) in ALLOWED:
        assert (answer.status, answer.json) == (200, JOB), answer.body
        assert master.jobs[0][0]["reason"][-1][0] == "gnt:token"
        assert json.loads(audit.read_text())["user"] == "token:ci"
    else:
        assert (answer.status, master.jobs) == (403, []), answer.body
        assert answer.message == "This is out of the scope of the token"
        line = json.loads(audit.read_text())
        assert (line["user"], line["status"]) == ("token:ci", 403)
        assert line["reason"]


@pytest.mark.parametrize(("path", "found"), [
    ("/2/instances", ["web1"]), ("/2/nodes", ["node1"]), ("/2/networks", ["net1"]),
    ("/2/groups", [])])
def test_lists_show_what_is_in_the_scope(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, found: list[str]
) -> None:
    app = served(tmp_path)

    answer = with_token(app, narrow(tmp_path, capsys), "GET", path)

    assert [one.get("id") or one["name"] for one in answer.json] == found


def test_a_query_shows_what_is_in_the_scope_and_names_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = served(tmp_path)

    answer = with_token(app, narrow(tmp_path, capsys), "GET", "/2/query/node?fields=pinst_list")

    assert answer.json == {"fields": [{"name": "pinst_list"}], "data": [[[0, ["web1"]]]]}


@pytest.mark.parametrize("path", ["/2/instances/db1/tags", "/2/instances/nosuch/tags",
                                  "/2/nodes/node2/role", "/2/instances/db1/console"])
def test_what_is_out_of_the_scope_is_not_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    assert with_token(served(tmp_path), narrow(tmp_path, capsys), "GET", path).status == 404


@pytest.mark.parametrize("names", [[], ["web1", "db1"]])
def test_of_several_objects_those_in_the_scope_are_asked_for(names: list[str]) -> None:
    master = SmallCluster()
    actor = Actor("token:ci", resolve(["@admin"])[0], SHOP)
    scoped = ScopedMaster(master, actor, START)
    with suppress(KeyError):  # the answer is not of interest
        asyncio.run(scoped.call("QueryInstances", names, ["name"], False))
    assert master.calls[-1] == ("QueryInstances", ["web1"], ["name"], False)


def test_jobs_and_events_of_the_scope(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = narrow(tmp_path, capsys)
    master = SmallCluster()
    mark = next(iter(parse_tokens((tmp_path / "tokens").read_text())[0].values())).actor().mark
    own = {**STARTUP, "instance_name": "removed", "reason": [["gnt:token", mark, 1]]}
    master.queue = [*SmallCluster.queue, job(5, own)]
    app = served(tmp_path, master)

    assert [one["id"] for one in with_token(app, text, "GET", "/2/jobs").json] == [1, 5]
    assert with_token(app, text, "DELETE", "/2/jobs/2").status == 404
    beyond = with_token(app, text, "GET", "/2/jobs/2").json
    assert {name: value for name, value in beyond.items() if value is not None} == {"id": 2}
    found = with_token(app, text, "GET", "/2/events?after=x").json["events"]
    assert [data["id"] for _, name, data in found if name == "job"] == [1, 5]
    assert [data for _, name, data in found if name == "config"] == [
        {"serial": 5, "changed": {"instance": [{"uuid": "uuid-web1"}]}}]


def test_what_leaves_the_scope_is_seen_to_go_and_no_longer() -> None:
    master = SmallCluster()
    scoped = ScopedMaster(master, Actor("token:ci", resolve(["@admin"])[0], SHOP), START)

    def seen() -> list[str]:
        found = asyncio.run(scoped.call("WaitForEvents", "x", 1.0))["events"]
        return [one["uuid"] for _, name, data in found if name == "config"
                for one in data["changed"]["instance"]]

    assert seen() == ["uuid-web1"]
    master.objects = {**SmallCluster.objects, "instance": []}
    assert seen() == ["uuid-web1"], "it has just been taken out of the scope"
    assert seen() == []
    master.objects = SmallCluster.objects
    assert seen() == ["uuid-web1"]


def test_a_user_has_no_scope(tmp_path: Path) -> None:
    app = served(tmp_path)

    answer = ask(app, "GET", "/2/instances")

    assert [one["id"] for one in answer.json] == ["db1", "web1"]
