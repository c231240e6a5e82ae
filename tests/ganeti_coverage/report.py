"""``make coverage-of-ganeti``: how much of Ganeti's interface there is, and what is missing.

``--json`` prints the same for programs, ``--totals`` the numbers alone. ``--set-floors`` writes
today's numbers as those that must not be fallen below, higher or (where something was given up on
purpose) lower.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from counting import FLOORS, KINDS, Count, floors  # lies beside this file, in no package


def table(counts: list[Count], least: dict[str, int]) -> list[str]:
    lines = [f"{'':<14}{'done':>6}{'of':>6}{'':>7}{'floor':>7}"]
    for count in counts:
        done, there = len(count.wanted & count.done), len(count.wanted)
        lines.append(f"{count.kind:<14}{done:>6}{there:>6}{done / there:>7.0%}"
                     f"{least.get(count.kind, 0):>7}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print data, not a table")
    parser.add_argument("--totals", action="store_true", help="print only the numbers")
    parser.add_argument("--set-floors", action="store_true",
                        help="the numbers of today must not be fallen below from now on")
    parser.add_argument("--floors", type=Path, default=FLOORS, metavar="FILE",
                        help="the numbers that must not be fallen below")
    options = parser.parse_args()
    counts = [count() for count in KINDS]
    done = {count.kind: len(count.wanted & count.done) for count in counts}
    if options.set_floors:
        options.floors.write_text(json.dumps(done, indent=1) + "\n")
    least = floors(options.floors)
    fallen = [kind for kind, number in done.items() if number < least.get(kind, 0)]
    if options.json:
        print(json.dumps({count.kind: {"done": done[count.kind], "of": len(count.wanted),
                                       "floor": least.get(count.kind, 0),
                                       "missing": count.missing} for count in counts}, indent=1))
    else:
        for count in () if options.totals else counts:
            print(f"Missing {count.kind}:", *(count.missing or ["none"]), sep="\n  ", end="\n\n")
        print(*table(counts, least), sep="\n")
    for kind in fallen:
        print(f"Fewer {kind} than before: {done[kind]}, the floor is {least[kind]}",
              file=sys.stderr)
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(main())
