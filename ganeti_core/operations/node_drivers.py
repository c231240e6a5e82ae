"""Whether a node has the drivers that an operation will need there, in versions that fit.

What a node has is kept until a connection to it is lost, as when its daemon is started again: then
it is asked once more, and so is every node before anything is refused because of it. Thus an
operation that may go on costs no call.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_ENVIRON, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.query.live import NODE_FACTS, NodeLive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ganeti_core.model import Node
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost
    from ganeti_core.query.live import LiveSource

Facts = Mapping[str, Any]
"""What ``node.facts`` returns."""
Row = Mapping[str, Any]
Driver = tuple["Kind[Any]", str]
CORE = "ganeti-core"
"""The distribution of the software itself, which daemons take in only when they start."""


@dataclass(frozen=True, eq=False)
class Need:
    """A driver that hooks will be called of on a node.

    :param source: the node whose state of this driver is passed on to `node`: that of a guest or
        of disks which move; None where only the master's is
    """

    node: Node
    kind: Kind[Any]
    driver: str
    source: Node | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.node.uuid, self.kind.name, self.driver,
                self.source.uuid if self.source is not None else "")


class NodeDrivers:
    """What is known of the drivers of all nodes; safe to use from several threads.

    :param incarnations: of nodes (uuids), numbers that change when connections to them were lost
    :param touched: forget what a node (uuid) said a moment ago
    """

    def __init__(
        self, live: LiveSource, host: PluginHost,
        incarnations: Callable[[Iterable[str]], Mapping[str, int]],
        touched: Callable[[str], None],
    ) -> None:
        self._live = live
        self._host = host
        self._incarnations = incarnations
        self._touched = touched
        self._guard = threading.Lock()
        self._known: dict[str, tuple[int, Facts]] = {}
        self._lacked_none: tuple[object, ...] = ()
        """With what drivers and facts no node lacked any, when that was last looked at."""

    def check(self, needs: Iterable[Need]) -> None:
        """See that all needs can be met, as far as the nodes say what they have.

        :raises OpPrereqError: one cannot; names node, driver, what was found and what is needed
            (`ECODE_ENVIRON`)
        """
        if problems := self.problems(needs):
            raise OpPrereqError("; ".join(dict.fromkeys(problems.values())), ECODE_ENVIRON)

    def problems(self, needs: Iterable[Need]) -> dict[Need, str]:
        """Why needs cannot be met, those that can be left out; silent nodes have no problems."""
        found = self._problems(list({need.key: need for need in needs}.values()))
        if not found:
            return found
        # Plugin files come and go without a new connection: nobody is refused by what was.
        self.forget(need.node.uuid for need in found)
        return self._problems(list(found))

    def lacking(self, nodes: Iterable[Node], drivers: frozenset[Driver]) -> dict[str, str]:
        """Why nodes (uuids) cannot be asked for some of these drivers; the others are left out.

        Mostly none is lacking and nothing has changed since the last time: that is seen at once.
        """
        online = [node for node in nodes if not node.offline]
        facts = self.facts(online)
        seen = self._host.state, facts, drivers
        if seen == self._lacked_none:
            return {}
        in_order = sorted(drivers, key=lambda one: (one[0].name, one[1]))
        needs = [Need(node, *one) for node in online for one in in_order]
        if not self._problems(needs, facts):
            self._lacked_none = seen
            return {}
        found: dict[str, str] = {}
        for need, problem in self.problems(needs).items():
            found.setdefault(need.node.uuid, problem)
        return found

    def _problems(
        self, needs: Sequence[Need], facts: Mapping[str, Facts] | None = None
    ) -> dict[Need, str]:
        if facts is None:
            facts = self.facts([node for need in needs for node in (need.node, need.source)
                                if node is not None])
        found = {}
        for need in needs:
            if not need.node.offline and (here := facts.get(need.node.uuid)):
                source = facts.get(need.source.uuid) if need.source is not None else None
                if problem := self.problem_in(need, here, source):
                    found[need] = problem
        return found

    def facts(self, nodes: Iterable[Node]) -> dict[str, Facts]:
        """What nodes have, by uuid; of one that cannot be asked what it had the last time."""
        by_uuid = {node.uuid: node for node in nodes}
        now = self._incarnations(by_uuid)
        with self._guard:
            known = {uuid: self._known[uuid] for uuid in by_uuid if uuid in self._known}
        asked = [node for uuid, node in by_uuid.items() if not node.offline
                 and (uuid not in known or known[uuid][0] != now[uuid])]
        found = {uuid: facts for uuid, (_, facts) in known.items()}
        return found | self.ask(asked) if asked else found

    def ask(self, nodes: Sequence[Node]) -> dict[str, Facts]:
        """Ask nodes now; those that do not answer are left out."""
        now = self._incarnations([node.uuid for node in nodes])
        for uuid in now:
            self._touched(uuid)
        answers = self._live.gather(nodes, frozenset({NODE_FACTS}))
        fresh = {uuid: answer.node_facts for uuid, answer in answers.items()
                 if isinstance(answer, NodeLive) and answer.node_facts}
        with self._guard:
            self._known |= {uuid: (now[uuid], facts) for uuid, facts in fresh.items()}
        return fresh

    def forget(self, nodes: Iterable[str] | None = None) -> None:
        """Ask these nodes (uuids) again, all of them without, when something of them is needed."""
        with self._guard:
            # What it had is still the best guess if it does not answer.
            for uuid in list(self._known if nodes is None else nodes):
                if uuid in self._known:
                    self._known[uuid] = -1, self._known[uuid][1]

    def absent(self, node: Node, kind: Kind[Any], driver: str) -> str:
        """Why a node cannot be asked for a driver; empty where it has it, or is silent.

        It is asked for what it has now: a definition or a provider may have come a moment ago.
        """
        here = self.ask([node]).get(node.uuid)
        if here is None or driver in here["kinds"].get(kind.name, {}):
            return ""
        return _absent(node, kind, driver, (_row(here["plugins"], kind, driver),
                                            self._own_row(kind, driver)))

    def problem_in(self, need: Need, here: Facts, source: Facts | None = None) -> str:
        """Why a need cannot be met, by what its node and its source have; empty when it can."""
        node, kind, driver = need.node, need.kind, need.driver
        if (api := here.get("apis", {}).get(kind.name, kind.api)) != kind.api:
            return (f"Node '{node.name}' (version {here['version']}) speaks API {api} of plugins "
                    f"of the kind {kind.name}, needed is {kind.api} for the {kind.title} "
                    f"'{driver}': bring master and node to the same version")
        found, row = (here["kinds"].get(kind.name, {}).get(driver),
                      _row(here["plugins"], kind, driver))
        if found is None:
            return _absent(node, kind, driver, (row, self._own_row(kind, driver)))
        misfit = ""
        if self._host.has(kind, driver):
            mine = self._host.describe(kind, driver)
            if found["api"] != mine.api_version:
                misfit = (f" for API {found['api']}, needed is API {mine.api_version}, as the "
                          f"master has it{_version(self._own_row(kind, driver))}: install the same "
                          f"version everywhere, then {_take_in(self._own_row(kind, driver))}")
            elif found["state_version"] < mine.state_version:
                misfit = _too_old(found, node, mine.state_version, "the master", row)
        its = source["kinds"].get(kind.name, {}).get(driver) if source is not None else None
        if not misfit and its and need.source is not None and (
                found["state_version"] < its["state_version"]):
            misfit = _too_old(found, node, its["state_version"], f"node '{need.source.name}'", row)
        if not misfit:
            return ""
        return f"Node '{node.name}' has the {kind.title} '{driver}'{_version(row)}{misfit}"

    def _own_row(self, kind: Kind[Any], driver: str) -> Row | None:
        return _row([asdict(row) for row in self._host.status()], kind, driver)


def _row(rows: Iterable[Row], kind: Kind[Any], driver: str) -> Row | None:
    """The line of ``gnt-plugin list`` for a driver."""
    return next((row for row in rows if (row["kind"], row["name"]) == (kind.name, driver)), None)


def _version(row: Row | None) -> str:
    origin = [row[key] for key in ("distribution", "version") if row[key]] if row else []
    return f" ({' '.join(origin)})" if origin else ""


def _take_in(row: Row | None) -> str:
    """How daemons come to use what was installed of the plugin in this line."""
    core = row is not None and row["distribution"] == CORE
    return "restart ganeti-noded and ganeti-masterd" if core else "run gnt-plugin reload"


def _too_old(found: Row, node: Node, state: int, whose: str, row: Row | None) -> str:
    return (f" with state version {found['state_version']}, which cannot read version {state}, "
            f"that {whose} has: install the newer one on node '{node.name}', then {_take_in(row)}")


def _absent(
    node: Node, kind: Kind[Any], driver: str, rows: tuple[Row | None, Row | None]
) -> str:
    """:param rows: of the driver, on the node and on the master"""
    (its, mine), what = rows, f"{kind.title} '{driver}'"
    wanted = _version(mine).strip(" ()")
    if its is not None and its["problem"]:
        advice = f"; needed is {wanted}, as on the master" if wanted else ""
        if mine is not None and mine["problem"]:
            advice = f"; neither can the master use its own ({wanted or 'a file'})"
        return f"Node '{node.name}' cannot use the {what}{_version(its)}: {its['problem']}{advice}"
    if mine is None:
        return (f"Node '{node.name}' has no {what}, and neither has the master (gnt-cluster plugins"
                " shows which there are)")
    return (f"Node '{node.name}' has no {what}: install {wanted or 'what brings it'} on node "
            f"'{node.name}', as the master has it, then {_take_in(mine)}")
