"""Resources that a program beside the daemon computes: what else fits, what would balance a group.

The programs are the htools. They read the cluster from the master, as when people run them, and the
daemon serves others meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import sysconfig
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.rapi.failures import HttpFailure, bad_request
from ganeti_core.rapi.keys import Key
from ganeti_core.rapi.reading import encoded
from ganeti_core.rapi.submission import reason_trail

if TYPE_CHECKING:
    from ganeti_core.rapi.request import Call, Request

log = logging.getLogger(__name__)

SECONDS = 120.0
"""How long a program may compute."""
MOST = 2
"""Programs at once: each takes a processor; whoever comes later waits."""
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_SIZE = re.compile(r"[0-9]{1,12},[0-9]{1,9},[0-9]{1,5}(,[0-9]{1,5})?")
_COUNT = re.compile(r"[0-9]{1,6}")
CAPACITY = {"disk-template": _NAME, "standard-alloc": _SIZE, "tiered-alloc": _SIZE}
"""Arguments of the query with the form of their values: options of hspace."""
BALANCE = {"group": _NAME, "max-length": _COUNT}
Job = list[dict[str, Any]]
_BROKEN = "Traceback (most recent call last)"
_turns = asyncio.Semaphore(MOST)


async def capacity(call: Call) -> bytes:
    """Return how many more instances fit, as ``hspace --json`` does.

    :raises HttpFailure: an argument has the wrong form, or hspace refuses it
    """
    return await _computed("hspace", _options(call.request, CAPACITY), call)


async def balance(call: Call) -> bytes:
    """Return which moves would balance a node group, as ``hbal --json`` does.

    :raises HttpFailure: as `capacity`
    """
    return await _computed("hbal", _options(call.request, BALANCE), call)


async def rebalance(call: Call) -> bytes:
    """Submit the moves that balance a node group; return the jobs' numbers, set by set.

    :raises HttpFailure: as `capacity`
    """
    key = Key.of(call.request, call.operation, call.user)
    if key is None:
        return encoded(await _carried_out(call, None))
    return encoded(await call.keys.submit_sets(key, lambda: _carried_out(call, key)))


async def _carried_out(call: Call, key: Key | None) -> list[list[int]]:
    """Plan, and submit; the jobs' numbers, set by set.

    :raises HttpFailure: as `capacity`
    """
    sets = json.loads(await balance(call))["jobs"]
    common: dict[str, Any] = {"reason": reason_trail(call.request, call.operation)}
    if call.request.flag("dry-run"):
        common["dry_run"] = True
    jobs = chained(sets, common)
    if key is not None:
        places = [place for place, moves in enumerate(sets) for _ in moves]
        jobs = [[key.noted(first, place), *rest]
                for place, (first, *rest) in zip(places, jobs, strict=True)]
    found = iter(await call.master.call("SubmitManyJobs", jobs) if jobs else [])
    return [[next(found)[1] for _ in moves] for moves in sets]


def chained(sets: list[list[Job]], common: dict[str, Any]) -> list[Job]:
    """All jobs of the sets; each depends on those of the set before.

    :param common: what every opcode has
    """
    jobs: list[Job] = []
    size = 0
    for moves in sets:
        for index, (first, *rest) in enumerate(moves):
            # Those of the set before, counted back from this one.
            before = [[-(index + back), ["success"]] for back in range(1, size + 1)]
            depends = {"depends": before} if before else {}
            jobs.append([{**first, **depends, **common}, *({**op, **common} for op in rest)])
        size = len(moves)
    return jobs


def _options(request: Request, known: dict[str, re.Pattern[str]]) -> list[str]:
    """The command line of what the query says.

    :raises HttpFailure: a value has the wrong form
    """
    words = []
    for name, form in known.items():
        value = request.text(name)
        if value is None:
            continue
        if not form.fullmatch(value):
            raise bad_request(f"Invalid value for the '{name}' parameter: '{value[:80]}'")
        words.append(f"--{name}={value}")
    return words


async def _computed(program: str, words: list[str], call: Call) -> bytes:
    """Run a program; return the JSON that it prints.

    :raises HttpFailure: it refuses, takes too long, or is not there
    :raises NoMasterError: there is no master to ask
    """
    socket = call.master.socket()
    file = Path(sysconfig.get_path("scripts")) / program
    if not file.exists():
        raise HttpFailure(HTTPStatus.NOT_IMPLEMENTED, f"{program} is not installed on this node")
    async with _turns:
        status, out, err = await _run([str(file), f"-L{socket}", "--json", *words])
    if status:
        raise failure(program, status, err)
    return out.strip()


def failure(program: str, status: int, err: bytes) -> HttpFailure:
    """Say why a program has failed: it refuses what it was asked, or something is wrong with it."""
    said = err.decode(errors="replace").strip()
    if status in (1, 2) and _BROKEN not in said:
        # Before it stand warnings, a paragraph each.
        return bad_request(said.split("\n\n")[-1].removeprefix("Error: ")[-500:])
    # Where in its source it has failed is not for clients.
    log.error("%s has ended with status %d: %s", program, status, said[-2000:])
    return HttpFailure(HTTPStatus.INTERNAL_SERVER_ERROR, f"{program} has ended with status {status}"
                       ": the log of ganeti-rapi says more")


async def _run(words: list[str]) -> tuple[int, bytes, bytes]:
    """Run a program to its end: status, output and messages.

    :raises HttpFailure: it takes too long
    """
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, start_new_session=True)
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
        return process.returncode or 0, out, err
    except TimeoutError as exc:
        raise HttpFailure(HTTPStatus.GATEWAY_TIMEOUT,
                          f"{Path(words[0]).name} takes longer than {SECONDS:g} seconds") from exc
    finally:
        # Also when the request is given up: nobody else would end it.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
