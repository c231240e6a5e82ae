"""Write the reference pages from the code, and check that the committed ones are current.

``python docs/build.py`` writes ``docs/reference/*.md``, the options in the manual pages
(``docs/man/*.md``, below their marker line), the scripts that complete commands in shells, and the
recorded shape of the plugin contracts; ``--check`` only tells what is out of date; ``--html DIR``
also renders everything with MkDocs, where that is installed.

The pages tell what is installed: nothing is written where that is not what the tree would install.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

from pages import (  # noqa: E402  # the pages lie beside this file, in no package
    completion,
    contracts,
    core,
    helpers,
    installed,
    manual,
    metrics,
    spec,
    support,
)

REFERENCE = DOCS / "reference"
MANUAL = DOCS / "man"
COMPLETIONS = DOCS.parent / "packaging/completions"
SHAPES = DOCS.parent / "tests/data/plugin_api/shapes.json"


def outputs() -> dict[Path, str]:
    """Every generated file with its text."""
    pages = {**contracts.pages(), **core.pages(), **helpers.pages(), **metrics.pages(),
             **spec.pages(), **support.pages()}
    shapes = json.dumps(contracts.shapes(), indent=1, sort_keys=True) + "\n"
    return {**{REFERENCE / name: text for name, text in pages.items()},
            **{MANUAL / name: text for name, text in manual.pages(MANUAL).items()},
            **{COMPLETIONS / name: text for name, text in completion.files().items()},
            **{DOCS / name: text for name, text in metrics.files().items()},
            SHAPES: shapes}


def stale() -> list[Path]:
    """Generated files that are not as the code would have them, or that nothing makes."""
    wanted = outputs()
    changed = [path for path, text in wanted.items()
               if not path.exists() or path.read_text() != text]
    there = {page for folder in (REFERENCE, MANUAL) for page in folder.glob("*.md")}
    there |= {file for file in COMPLETIONS.rglob("*") if file.is_file()}
    return sorted([*changed, *(there - wanted.keys())])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when out of date")
    parser.add_argument("--html", type=Path, metavar="DIR", help="render with MkDocs into DIR")
    options = parser.parse_args()
    if problem := installed.problem(DOCS.parent / "setup.cfg"):
        print(f"{problem}: pip install -e '.[dev]' first", file=sys.stderr)
        return 2
    if options.check:
        for path in stale():
            print(f"out of date: {path} (python docs/build.py)")
        return 1 if stale() else 0
    for path, text in outputs().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if options.html:
        return subprocess.run(
            [sys.executable, "-m", "mkdocs", "build", "--strict", "-f",
             str(DOCS.parent / "mkdocs.yml"), "-d", str(options.html.resolve())],
            check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
