"""Which module runs which others when it is imported, read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a source."""
    return ast.parse(path.read_text())


def import_graph(paths: Mapping[str, Path]) -> dict[str, set[str]]:
    """The modules, by name, with those of them that the import of each runs.

    The packages that hold an imported module run as well; not those that hold the importing one,
    which are under way already.
    """
    return {name: _runs(name, path, paths) for name, path in paths.items()}


def _runs(name: str, path: Path, paths: Mapping[str, Path]) -> set[str]:
    found = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for target in _targets(parsed(path).body, package, paths):
        found |= {one for one in _lineage(target) - _lineage(name) | {target} if one in paths}
    return found - {name}


def _targets(
    body: list[ast.stmt], package: str, paths: Mapping[str, Path]
) -> Iterator[str]:
    for node in _imports(body):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
            continue
        base = node.module or ""
        if node.level:
            above = package.split(".")[:len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *filter(None, [node.module])])
        for one in node.names:
            yield f"{base}.{one.name}" if f"{base}.{one.name}" in paths else base


def _imports(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """What runs with the module itself: nothing in functions, nothing that only types need."""
    for node in body:
        match node:
            case ast.Import() | ast.ImportFrom():
                yield node
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from _imports(node.orelse)
            case ast.If():
                yield from _imports(node.body + node.orelse)
            case ast.Try() | ast.With():
                yield from _imports(node.body)


def _lineage(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
