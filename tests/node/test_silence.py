"""Long calls to a node that says nothing any more, and to one that is only slow."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from one_node import eventually

from ganeti_core.errors import OutcomeUnknown
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients
from ganeti_core.rpc.liveness import Liveness
from ganeti_core.rpc.tls import TlsIdentity

LONG = service_call("node.delay", {"duration": 3000.0}, timeout=3600.0)
PING = service_call("node.ping")


@pytest.fixture
def clients(program):
    assert program.run().returncode == 0
    made = NodeClients(TlsIdentity.of(program.paths), lambda: 1,
                       liveness=Liveness(beat=0.2, silence=1.0))
    yield made
    made.close()


def test_wait_for_a_node_that_hangs_ends_long_before_its_limit(program, clients):
    clients.call(program.peer, PING)
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(clients.call, program.peer, LONG)
        assert eventually(lambda: clients._busy)
        pid = program.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(OutcomeUnknown, match="has been silent for 1 s"):
                waits.result(120)
        finally:
            os.kill(pid, signal.SIGCONT)


def test_node_that_is_slow_but_there_is_waited_for(program, clients):
    slow = service_call("node.delay", {"duration": 3.0}, timeout=3600.0)

    assert clients.call(program.peer, slow) is None


def test_what_one_wait_hears_counts_for_all():
    liveness = Liveness(beat=0.0, silence=0.0)
    asked = threading.Event()
    look = liveness.watch("uuid", asked.set, None)

    def silent():
        raise OutcomeUnknown("no answer")

    assert not look()
    assert asked.is_set()
    with pytest.raises(TimeoutError, match="silent"):
        liveness.watch("uuid", silent, None)()
    patient = Liveness(beat=0.0, silence=3600.0)
    assert not patient.watch("uuid", silent, None)()
