"""Programs of tests that stand in for others, and that real drivers start thousands of times.

Such a process costs what its start costs. So a stand-in is a module, which is compiled once, as a
program that is run by its name is not; the kernel starts its interpreter, without a shell; that
reads neither the site's modules nor the environment, and ends without taking itself apart. The
module itself does best with built-in modules: `os` is a sixth of the start, `re` and `json` double
it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

_PROGRAM = """#!{python} -IS
import posix, sys
sys.path.insert(0, {folder!r})
sys.argv[1:1] = {words!r}
from {module} import main
status = main()
sys.stdout.flush()
sys.stderr.flush()
posix._exit(status)
"""


def install(program: Path, module: ModuleType, *words: str) -> None:
    """Make a program that calls the module's `main`, which returns an exit status.

    :param words: what it gets as arguments, before those that it is called with
    """
    assert module.__file__ is not None
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(_PROGRAM.format(
        python=sys.executable, folder=str(Path(module.__file__).parent), words=list(words),
        module=module.__name__))
    program.chmod(0o755)
