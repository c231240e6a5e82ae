"""The hosts file of a node: an entry for another host, or none."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.arguments import decode

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.node.state import NodeState


@dataclass(frozen=True)
class HostArgs:
    """Of ``node.hosts_file``; without an address the host has no entry any more."""

    name: str
    address: str


def name_host(state: NodeState, args: dict[str, Any], _deadline: float) -> None:
    """Give a host its one entry, by its full name and the short one; other names stay."""
    asked = decode(HostArgs, args)
    file = state.world.local.paths.hosts
    try:
        old = file.read_text(encoding="utf-8") if file.exists() else ""
        new = with_host(old, asked.name, asked.address)
        if new != old:
            _write(file, new)
    except (OSError, UnicodeError) as exc:
        raise OpExecError(f"{file} cannot be changed: {exc}") from exc


def with_host(text: str, name: str, address: str) -> str:
    """The text of a hosts file in which a host has this address, or is not named."""
    short = name.split(".", 1)[0]
    entry = f"{address}\t{name} {short}" if short != name else f"{address}\t{name}"
    lines, there = [], False
    for line in text.splitlines():
        body, mark, comment = line.partition("#")
        where, *names = body.split() or [""]
        if name not in names:
            lines.append(line)
            continue
        if where == address and not there:
            lines.append(line)
            there = True
            continue
        left = [one for one in names if one not in (name, short)]
        if left:
            lines.append(f"{where}\t{' '.join(left)}{f' {mark}{comment}' if mark else ''}")
    if address and not there:
        lines.append(entry)
    return "".join(f"{line}\n" for line in lines)


def _write(file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.ganeti")
    with draft.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    if file.exists():
        shutil.copystat(file, draft)
    else:
        draft.chmod(0o644)
    try:
        draft.replace(file)
    except OSError:
        # A file that is mounted there, as in containers, can be written and not replaced.
        draft.unlink()
        file.write_text(text, encoding="utf-8")
