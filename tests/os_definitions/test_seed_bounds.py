"""What a guest has put on its disk is read on the node only as far as it makes sense."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import ganeti_os_definitions
import pytest

FOLDER = ganeti_os_definitions.FOLDER / "cloudimage"
DEBUGFS = """#!/bin/sh
case "$2" in
stat*) echo "Type: directory" ;;
*) {said} && touch {all_taken} ;;
esac
"""
RENAMING = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import seed
meta = {"instance-id": "one", "local-hostname": "new"}
told = seed.Documents({"meta-data": json.dumps(meta), "user-data": ""})
print(json.dumps(seed.renaming(Path(sys.argv[2]), told).files))
"""
PARTITIONS = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import seed
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
print(list(seed.partitions(Path(sys.argv[2]))))
"""


def run(code: str, disk: Path, **environment: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code, str(FOLDER), str(disk)], text=True,
                         capture_output=True, env=os.environ | environment)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("said", [
    "head -c 64M /dev/zero", "head -c 500K /dev/zero | tr '\\0' '['", "printf 'caf\\351'"])
def test_a_document_that_makes_no_sense_is_written_anew(tmp_path: Path, said: str) -> None:
    """A file without blocks may be as large as nobody's memory."""
    disk, all_taken = tmp_path / "disk", tmp_path / "all-taken"
    disk.write_bytes(bytes(1080) + b"\x53\xef" + bytes(1024))
    program = tmp_path / "debugfs"
    program.write_text(DEBUGFS.format(said=said, all_taken=all_taken))
    program.chmod(0o755)
    told = json.loads(run(RENAMING, disk, PATH=f"{tmp_path}:{os.environ['PATH']}"))
    assert sorted(told) == ["meta-data", "user-data"]
    assert all_taken.exists() is ("64M" not in said)


def test_entries_of_a_table_of_partitions_have_a_size_that_makes_sense(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.seek(512)
        file.write(b"EFI PART".ljust(72, b"\0") + struct.pack("<QII", 2, 4, 0xffff_ffff))
        file.truncate(8 << 30)
    assert run(PARTITIONS, disk) == "[]\n"
