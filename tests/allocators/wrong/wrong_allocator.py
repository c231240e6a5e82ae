"""An allocator that does what its request's name says: answer, hang, die, raise, change."""

from __future__ import annotations

import os
import subprocess
import time

from ganeti_core.plugin_api import Description, OpPrereqError, hookimpl

ANSWERS = {
    "nothing": None,
    "list": [1, 2],
    "shapeless": {"success": "yes", "info": None, "result": {}},
    "stranger": {"success": True, "info": "", "result": ["nosuch.example.com"]},
    "third": {"success": True, "info": "the third is best", "result": ["node3.example.com"]},
}


class WrongAllocator:
    def __init__(self):
        self.calls = 0

    @hookimpl
    def describe(self):
        return Description(0, "does what it is told", capabilities=frozenset({"allocate"}))

    @hookimpl
    def solve(self, ctx, request):
        self.calls += 1
        name = request["request"]["name"].partition(".")[0]
        if name in ANSWERS:
            return ANSWERS[name]
        match name:
            case "hang":
                with subprocess.Popen(["sleep", "3600"]) as child:
                    (ctx.state / "child").write_text(str(child.pid))
                    time.sleep(3600)
            case "die":
                os._exit(3)
            case "raise":
                raise ValueError("it cannot count")
            case "refuse":
                raise OpPrereqError("no such request", "wrong_input")
            case "change":
                request["instances"].clear()
        return {"success": True, "info": f"{self.calls} {os.getpid()}",
                "result": [request["instances"], request["nodes"]]}
