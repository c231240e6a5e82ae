"""Filter rules: which queued jobs may start, which are held or refused, how many run at once.

Pure. A rule *applies* to a job if it is the first, in order of priority, watermark and uuid, whose
predicates all match and whose action is not CONTINUE. A job whose reason trail has a text
``rate-limit:N:TEXT`` is limited as well: at most N jobs with that very text run in parallel.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ParameterError, RequestError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.query_language import (
    Access,
    All,
    AnyOf,
    Compare,
    Contains,
    Expression,
    Not,
    compile_filter,
    parse_filter,
    render,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ganeti_core.jobs.job import Job
    from ganeti_core.model import FilterRule

log = logging.getLogger(__name__)

ACCEPT, CONTINUE, PAUSE, REJECT = "ACCEPT", "CONTINUE", "PAUSE", "REJECT"
RATE_LIMIT = "RATE_LIMIT"
SIMPLE_ACTIONS = frozenset({ACCEPT, CONTINUE, PAUSE, REJECT})
WATERMARK = "watermark"
MOST_DIGITS = 18
"""Of the limit in a reason."""
_RATE_LIMIT_PREFIX = "rate-limit:"


@dataclass(frozen=True)
class Bucket:
    """At most `limit` jobs of one bucket run in parallel."""

    name: str
    limit: int


@dataclass(frozen=True)
class Rule:
    """A rule ready for use. `limit` is that of RATE_LIMIT, otherwise 0."""

    uuid: str
    action: str
    limit: int
    tests: tuple[Callable[[Job], bool], ...]

    def matches(self, job: Job) -> bool:
        return all(test(job) for test in self.tests)


@dataclass(frozen=True)
class Verdict:
    """What rules and reasons say of one job.

    :param rule: uuid of the rule that pauses or rejects it
    :param buckets: of which it needs a free slot each, to run
    """

    action: str = ACCEPT
    rule: str = ""
    buckets: tuple[Bucket, ...] = ()


_FREE = Verdict()


def compile_rules(rules: Iterable[FilterRule]) -> tuple[Rule, ...]:
    """Put rules in order and make them ready; those that never apply are left out."""
    order = sorted(rules, key=lambda rule: (rule.priority, rule.watermark, rule.uuid))
    compiled = (_compile(rule) for rule in order)
    return tuple(rule for rule in compiled if rule is not None and rule.action != CONTINUE)


def _compile(rule: FilterRule) -> Rule | None:
    """None for a rule of an imported configuration that cannot be read: it must stop no job."""
    try:
        action = parse_action(rule.action)
        tests = tuple(_PREDICATES[name](parse_filter(expression), rule.watermark)
                      for name, expression in parse_predicates(list(rule.predicates)))
    except RequestError as exc:
        log.warning("filter rule %s is ignored: %s", rule.uuid, exc)
        return None
    name, limit = (action, 0) if isinstance(action, str) else action
    return Rule(rule.uuid, name, limit, tests)


def judge(rules: Sequence[Rule], job: Job) -> Verdict:
    """Say whether a job is accepted, paused or rejected, and which limits it shares."""
    buckets = buckets_of(job)
    for rule in rules:
        if rule.matches(job):
            if rule.action in (PAUSE, REJECT):
                return Verdict(rule.action, rule.uuid)
            if rule.action == RATE_LIMIT:
                buckets = (*buckets, Bucket(f"filter rule {rule.uuid}", rule.limit))
            break
    return Verdict(buckets=buckets) if buckets else _FREE


def in_words(uuid: str, rule: FilterRule | None) -> str:
    """Name a rule with the reasons that people gave for it."""
    reasons = "; ".join(str(entry[1]) for entry in (rule.reason if rule else ())
                        if len(entry) > 1 and entry[1])
    return f"filter rule {uuid}" + (f" ({reasons})" if reasons else "")


def buckets_of(job: Job) -> tuple[Bucket, ...]:
    """The buckets that the job's reason trails name, each once."""
    found: dict[str, Bucket] = {}
    for _, text, _ in _reasons(job):
        if text.startswith(_RATE_LIMIT_PREFIX) and text not in found:
            number, colon, _ = text.removeprefix(_RATE_LIMIT_PREFIX).partition(":")
            # A larger limit than can be read limits nothing, and must not stop the queue.
            if colon and number.isascii() and number.isdigit() \
                    and len(number) <= MOST_DIGITS and int(number) > 0:
                found[text] = Bucket(text, int(number))
    return tuple(found.values())


def _reasons(job: Job) -> Iterator[tuple[str, str, int]]:
    for state in job.ops:
        trail = state.op.reason if state.op is not None else (state.input or {}).get("reason")
        for entry in trail or ():
            match entry:
                case [str(source), str(text), int(when)]:
                    yield source, text, when


# Predicates

def _on_job_id(expression: Expression, watermark: int) -> Callable[[Job], bool]:
    wanted = _with_watermark(expression, watermark)
    return _test(wanted, _fields({"id": lambda job: job.id}))


def _on_opcodes(expression: Expression, _watermark: int) -> Callable[[Job], bool]:
    test = _test(expression, lambda name: Access(lambda opcode: _field(opcode, name)))
    return lambda job: any(test(state.plain_input()) for state in job.ops)


def _on_reasons(expression: Expression, _watermark: int) -> Callable[[Job], bool]:
    test = _test(expression, _fields({
        "source": lambda entry: entry[0], "reason": lambda entry: entry[1],
        "timestamp": lambda entry: entry[2]}))
    return lambda job: any(test(entry) for entry in _reasons(job))


_PREDICATES: dict[str, Callable[[Expression, int], Callable[[Job], bool]]] = {
    "jobid": _on_job_id, "opcode": _on_opcodes, "reason": _on_reasons,
}


def _test(expression: Expression, access: Callable[[str], Access[Any]]) -> Callable[[Any], bool]:
    """A predicate that is false where a field is missing or of another type."""
    try:
        test = compile_filter(expression, access)
    except ParameterError:
        return lambda _row: False

    def judged(row: Any) -> bool:
        try:
            return test(row)
        except ParameterError:
            return False

    return judged


def _fields(getters: dict[str, Callable[[Any], Any]]) -> Callable[[str], Access[Any]]:
    def access(name: str) -> Access[Any]:
        if name not in getters:
            raise ParameterError(f"Can't find field named '{name}'")
        return Access(getters[name])

    return access


def _field(opcode: dict[str, Any], name: str) -> Any:
    """Read a field of an opcode; a dotted name leads into nested objects.

    :raises ParameterError: there is no such field
    """
    value: Any = opcode
    for key in [name] if name in opcode else name.split("."):
        if not isinstance(value, dict) or key not in value:
            raise ParameterError(f"Can't find field named '{name}'")
        value = value[key]
    return value


def _with_watermark(expression: Expression, watermark: int) -> Expression:
    """Replace the word ``watermark`` in all value positions."""
    match expression:
        case All(terms):
            return All(tuple(_with_watermark(term, watermark) for term in terms))
        case AnyOf(terms):
            return AnyOf(tuple(_with_watermark(term, watermark) for term in terms))
        case Not(term):
            return Not(_with_watermark(term, watermark))
        case Compare(field, operator, value) if value == WATERMARK:
            return Compare(field, operator, watermark)
        case Contains(field, value) if value == WATERMARK:
            return Contains(field, watermark)
    return expression


# What clients send

def parse_action(data: object) -> Any:
    """Check an action.

    :raises RequestError: not a valid one; Ganeti's text
    """
    match data:
        case str(name) if name in SIMPLE_ACTIONS:
            return name
        case ["RATE_LIMIT", int(limit)] if not isinstance(limit, bool) and limit > 0:
            return [RATE_LIMIT, limit]
    raise RequestError(f"malformed FilterAction JSON: {json.dumps(data)}")


def parse_predicates(data: object) -> tuple[Any, ...]:
    """Check predicates and write their filters in one form.

    :raises RequestError: one is malformed; Ganeti's text
    """
    if not isinstance(data, list):
        raise RequestError("Unable to read list")
    return tuple(_parse_predicate(entry) for entry in data)


def _parse_predicate(data: object) -> list[Any]:
    match data:
        case [str(name), expression] if name in _PREDICATES:
            return [name, render(parse_filter(expression))]
        case [str(name), *parameters]:
            raise RequestError(f"malformed FilterPredicate: bad parameter list for '{name}' "
                               f"predicate: {json.dumps(parameters)}")
    raise RequestError("malformed FilterPredicate: not a list of a name and its parameters: "
                       f"{json.dumps(data)}")
