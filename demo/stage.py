"""What the demo is told with: steps with their times, commands with their output."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

INDENT = "    "
COMMAND_SECONDS = 180.0


class DemoFailed(Exception):
    """Something did not go as it must; the message says what."""


@dataclass
class Stage:
    """Runs commands for people to see. `environment` holds what a shell on the master exports."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def step(self, text: str) -> None:
        print(f"\n[{time.monotonic() - self.began:5.1f} s] {text}", flush=True)

    def say(self, text: str) -> None:
        print(f"{INDENT}{text}", flush=True)

    def run(self, *words: str, show: bool = True) -> str:
        """Run a command, show it and what it prints as it comes; answers its output.

        :raises DemoFailed: it ended with another status than 0
        """
        if show:
            self.say(f"$ {shlex.join(words)}")
        lines = []
        with self.start(*words) as process:
            for line in process.stdout or ():
                lines.append(line)
                if show:
                    self.say(f"  {line.rstrip()}")
            status = process.wait(COMMAND_SECONDS)
        if status:
            said = "" if show else ":\n" + "".join(lines)
            raise DemoFailed(f"{shlex.join(words)} ended with status {status}{said}")
        return "".join(lines)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command whose output is read by the caller."""
        return subprocess.Popen(
            [program(words[0]), *words[1:]], env=self.surroundings(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    @property
    def folder(self) -> str:
        """The cluster's folder, as short as one would type it."""
        return os.path.relpath(self.root)

    def surroundings(self) -> Mapping[str, str]:
        return os.environ | self.environment

    def enter(self) -> None:
        """From here on commands run on the master, as in a shell after ``eval``."""
        exports = self.run("gnt-vcluster", "env", "--root", self.folder, show=False)
        for word in shlex.split(exports):
            name, found, value = word.partition("=")
            if found:
                self.environment[name] = value


def program(name: str) -> str:
    """The project's own program of that name, or whatever PATH finds."""
    own = Path(sysconfig.get_path("scripts")) / name
    return str(own) if own.exists() else name


def fail(stage: Stage, exc: BaseException) -> int:
    """Tell what went wrong and where to look."""
    sys.stdout.flush()
    print(f"\nThe demo failed: {exc}", file=sys.stderr)
    print(f"Logs: {stage.folder}/node*/var/log/ganeti/  Clean up: make demo-down", file=sys.stderr)
    return 1
