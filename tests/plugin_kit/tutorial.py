"""Follow a tutorial to the letter: its files are written, its commands run, in one shell.

What a page tells its reader to do stands in code blocks; a comment before a block says what it is:

- ``<!-- file: PATH -->``: the block is this file
- ``<!-- replace in: PATH -->``: the function in the block takes the place of the one of its name,
  or comes behind the last one of its depth
- ``<!-- insert at the top of: PATH -->``: behind the docstring
- ``<!-- remove from: PATH: NAME -->``: this function goes; a block that follows is its own
- ``<!-- fails -->``: the last command of the block fails; ``<!-- not run -->``: a reader's business

In a block ``console`` a line after ``$`` is a command; the others are parts of its output, in which
the numbers of tests may differ.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_BLOCK = re.compile(
    r"(?P<notes>(?:^<!-- [^\n]* -->\n)*)^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL)
_NOTE = re.compile(r"^<!-- ([^:>]+?)(?:: ([^:>]+?))?(?:: ([^:>]+?))? -->$", re.MULTILINE)
_END = "@@ended"


@dataclass(frozen=True)
class Block:
    """One code block with its notes: what they say, by their first words."""

    language: str
    text: str
    notes: Mapping[str, tuple[str, str]]

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each command with the lines that its output must contain."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, *expected = part.splitlines()
            yield command, [line.strip() for line in expected if line.strip()]


def blocks(page: Path) -> list[Block]:
    """All code blocks of a page, in order."""
    return [Block(found["language"], found["text"],
                  {kind: (path, name) for kind, path, name in _NOTE.findall(found["notes"])})
            for found in _BLOCK.finditer(page.read_text())]


@dataclass
class Shell:
    """A reader's shell: what one command changes, the next one finds."""

    environment: Mapping[str, str]
    home: Path
    folder: Path = field(init=False)

    def __enter__(self) -> Self:
        self.folder = self.home
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=self.home, env=dict(self.environment), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bash.kill()
        self._bash.communicate()

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; answers its status and all that it printed."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(
            f"{{ {command}\n}} </dev/null\nprintf '\\n{_END} %d %s\\n' $? \"$PWD\"\n")
        self._bash.stdin.flush()
        said: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(f"{_END} "):
                _, status, folder = line.rstrip("\n").split(" ", 2)
                self.folder = Path(folder)
                return int(status), "".join(said)
            said.append(line)
        raise AssertionError(f"the shell ended at {command!r}: {''.join(said)}")


def follow(page: Path, shell: Shell) -> None:
    """Do what a page tells its reader.

    :raises AssertionError: something was not as the page says
    """
    for block in blocks(page):
        if "not run" in block.notes:
            continue
        _edit(block, shell.folder)
        if block.language == "console":
            _run(block, shell)


def _run(block: Block, shell: Shell) -> None:
    commands = list(block.commands())
    for number, (command, expected) in enumerate(commands, 1):
        status, said = shell.run(command)
        fails = "fails" in block.notes and number == len(commands)
        assert (status != 0) == fails, f"$ {command}\n{said}(status {status})"
        rest = said
        for line in expected:
            _, found, rest = _loosely(rest).partition(_loosely(line))
            assert found, f"$ {command}\n{said}\nlacks {line!r}"


def _loosely(text: str) -> str:
    """Columns may be wider than on the page, and the conformance kit may have grown since."""
    return re.sub(r"\b[1-9]\d* (passed|not promised)\b", r"N \1", re.sub(r"[ \t]+", " ", text))


def _edit(block: Block, folder: Path) -> None:
    for kind, (path, name) in block.notes.items():
        file = folder / path
        if kind == "file":
            file.write_text(block.text)
        elif kind == "replace in":
            file.write_text(replaced(file.read_text(), block.text))
        elif kind == "remove from":
            first, last = _lines_of(file.read_text(), name)
            lines = file.read_text().splitlines(keepends=True)
            file.write_text("".join(lines[:first - 1] + lines[last:]))
        elif kind == "insert at the top of":
            file.write_text(_behind_docstring(file.read_text(), block.text))


def replaced(source: str, block: str) -> str:
    """Put the function in `block` where `source` has one of its name, or behind the last one."""
    found = re.search(r"^( *)def (\w+)", block, re.MULTILINE)
    assert found is not None, block
    lines = source.splitlines(keepends=True)
    try:
        first, last = _lines_of(source, found[2])
    except LookupError:
        ends = [node.end_lineno or 0 for node in ast.walk(ast.parse(source))
                if isinstance(node, ast.FunctionDef) and node.col_offset == len(found[1])]
        return "".join([*lines[:max(ends)], "\n", block, *lines[max(ends):]])
    return "".join(lines[:first - 1]) + block + "".join(lines[last:])


def _lines_of(source: str, name: str) -> tuple[int, int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            return first, node.end_lineno or node.lineno
    raise LookupError(name)


def _behind_docstring(source: str, block: str) -> str:
    end = ast.parse(source).body[0].end_lineno or 0
    lines = source.splitlines(keepends=True)
    return "".join([*lines[:end], "\n", block, *lines[end:]])
