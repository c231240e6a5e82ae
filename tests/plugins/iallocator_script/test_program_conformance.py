"""A program found in the search path keeps the contract of allocators."""

import sys
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api.testing.iallocator import IallocatorContract
from ganeti_plugins.iallocator_script import AllocatorPrograms

PROGRAM = f"""#!{sys.executable} -IS
import json, sys
with open(sys.argv[1]) as file:
    document = json.load(file)
asked = document["request"]
left = asked.get("relocate_from", [])
fit = [name for name, node in sorted(document["nodes"].items())
       if node["free_memory"] >= asked.get("memory", 0) and name not in left]
answer = {{"success": bool(fit), "info": "fits" if fit else "no room", "result": fit[:1]}}
if asked["type"] == "node-evacuate":
    moved = [[name, "default", fit[-1:]] for name in asked["instances"]]
    jobs = [[{{"OP_ID": "OP_INSTANCE_MIGRATE", "instance_name": name}}]
            for name in asked["instances"]]
    answer["result"] = [moved, [], jobs]
elif asked["type"] not in ("allocate", "relocate"):
    sys.exit("cannot answer " + asked["type"])
print(json.dumps(answer))
"""


class TestProgram(IallocatorContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Any:
        program = tmp_path / "usr/lib/ganeti/iallocators/first-fit"
        program.parent.mkdir(parents=True)
        program.write_text(PROGRAM)
        program.chmod(0o755)
        found = dict(AllocatorPrograms().drivers(tmp_path, {}))
        return found["first-fit"]
