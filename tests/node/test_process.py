"""What all daemons share: the pid file, readiness, logs."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from one_node import alive, eventually

from ganeti_core.daemons import confd, mond, noded, rapi
from ganeti_core.daemons.process import Daemon, end_on_signals
from ganeti_core.logs import OneLine, set_up_logging
from ganeti_core.paths import Paths
from ganeti_core.pid_file import AlreadyRunning, PidFile, running_pid


def test_pid_file_is_held_by_one(tmp_path):
    file = tmp_path / "x.pid"
    held = PidFile.lock(file)

    with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"):
        PidFile.lock(file)
    assert running_pid(file) == os.getpid()
    held.release()
    assert running_pid(file) is None
    assert not file.exists()


def test_pid_file_that_is_removed_while_one_waits_for_it_is_made_anew(tmp_path):
    file = tmp_path / "x.pid"
    ending = PidFile.lock(file)
    timer = threading.Timer(0.05, ending.release)
    timer.start()

    begun = PidFile.lock(file)
    timer.join()
    assert running_pid(file) == os.getpid()
    with pytest.raises(AlreadyRunning):
        PidFile.lock(file)
    begun.release()


def test_pid_without_its_process_is_nobody(tmp_path):
    file = tmp_path / "x.pid"
    file.write_text("1\n")

    assert running_pid(file) is None
    PidFile.lock(file).release()


def run_daemon(tmp_path, body, *, foreground=False):
    code = textwrap.dedent(f"""
        import os, sys, time
        from pathlib import Path
        from ganeti_core.daemons.process import Daemon, end_on_signals
        from ganeti_core.paths import Paths
        root = Path({str(tmp_path)!r})
        with Daemon(Paths(root), "ganeti-testd", foreground={foreground}) as process:
    """) + textwrap.indent(textwrap.dedent(body), "    ")
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          timeout=20, check=False)


def test_command_ends_when_the_daemon_is_ready(tmp_path):
    done = run_daemon(tmp_path, """
        process.ready()
        while not (root / "end").exists():
            time.sleep(0.01)
    """)

    pid = running_pid(Paths(tmp_path).daemon_pid("ganeti-testd"))
    assert done.returncode == 0
    assert pid is not None
    (tmp_path / "end").touch()
    assert eventually(lambda: not alive(pid))


def test_command_tells_why_the_daemon_does_not_serve(tmp_path):
    done = run_daemon(tmp_path, 'process.failed("no port"); sys.exit(1)')

    assert (done.returncode, done.stderr) == (1, "ganeti-testd: no port\n")


def test_command_tells_of_a_daemon_that_broke(tmp_path):
    done = run_daemon(tmp_path, "1 / 0")

    assert done.returncode == 1
    assert "ganeti-testd failed" in done.stderr


def test_command_tells_of_a_daemon_that_was_killed(tmp_path):
    done = run_daemon(tmp_path, "os.kill(os.getpid(), 9)")

    assert (done.returncode, done.stderr) == (1, "the daemon ended before it was ready\n")


def test_daemon_in_the_foreground_speaks_for_itself(tmp_path):
    done = run_daemon(tmp_path, 'process.failed("no port"); sys.exit(1)', foreground=True)

    assert (done.returncode, done.stderr) == (1, "ganeti-testd: no port\n")


@pytest.mark.parametrize(("name", "file"), [
    ("ganeti-noded", "node-daemon.log"), ("ganeti-masterd", "master-daemon.log"),
    ("ganeti-rapi", "rapi-daemon.log"), ("ganeti-confd", "conf-daemon.log"),
    ("ganeti-mond", "monitoring-daemon.log"),
])
def test_log_files_have_the_names_that_administrators_know(tmp_path, name, file):
    assert Daemon(Paths(tmp_path), name, foreground=True).log_file.name == file


def test_a_message_of_the_log_cannot_pass_for_two():
    record = logging.LogRecord("x", logging.INFO, "", 0, "host %s\t%s", ("a\nb\x1b[1m", "ü"), None)

    assert OneLine("%(levelname)s %(message)s").format(record) == r"INFO host a\nb\x1b[1m\tü"


def test_log_goes_on_after_the_file_was_rotated(tmp_path):
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level = root.level
    file = tmp_path / "node-daemon.log"
    try:
        # The test runner's own handlers come back below.
        root.handlers = []
        set_up_logging(file, "node-daemon")
        logging.getLogger("x").info("first")
        file.rename(tmp_path / "node-daemon.log.1")
        logging.getLogger("x").info("second")
        for handler in root.handlers:
            handler.close()
    finally:
        root.handlers = before
        root.setLevel(level)

    assert "INFO first" in (tmp_path / "node-daemon.log.1").read_text()
    assert file.read_text().endswith("INFO second\n")


def test_a_second_daemon_says_once_who_is_there_already(tmp_path):
    paths = Paths(tmp_path)
    paths.make_directories()
    held = PidFile.lock(paths.daemon_pid("ganeti-testd"))

    done = run_daemon(tmp_path, "process.ready()", foreground=True)

    held.release()
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("ganeti-testd: another process holds")
    assert line.endswith(f"pid {os.getpid()}")


@pytest.mark.parametrize("daemon", [confd, mond, noded, rapi])
@pytest.mark.parametrize("text", ["0", "65536", "-1", "x", "99999999999999999999", "١٢"])
def test_what_is_no_port_is_refused_before_the_daemon_begins(daemon, text, capsys):
    with pytest.raises(SystemExit) as ended:
        daemon.make_parser().parse_args(["--port", text])

    assert ended.value.code == 2
    assert "argument -p/--port" in capsys.readouterr().err


def test_a_signal_that_interrupts_a_wait_for_the_end_ends_it():
    """It comes while that wait holds the lock that setting needs."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stop = threading.Event()
    end_on_signals(stop)
    try:
        with stop._cond:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)  # the handler runs here, in this very thread
        assert stop.wait(60)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
