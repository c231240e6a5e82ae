"""The frame of programs that call one hook on a machine of the lab, as a node daemon would.

The argument of such a program is a JSON document; it prints one: the result, or the error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from ganeti_core.errors import GanetiError
from ganeti_core.plugin_api import codec


def answer(call: Callable[[dict[str, Any]], Any]) -> None:
    """Call a hook as the program's argument says, and print what came of it."""
    try:
        result = call(json.loads(sys.argv[1]))
    except GanetiError as exc:
        print(json.dumps({"error": exc.message}))
    else:
        print(json.dumps({"result": codec.encode(result)}))
