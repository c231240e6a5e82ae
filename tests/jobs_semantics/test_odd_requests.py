"""Requests with arguments of the wrong kind are refused; concurrent ones lose nothing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from one_master import OneMaster

from ganeti_core.errors import RequestError
from ganeti_core.luxi.client import LuxiClient

NAMES = ("diskless", "ext", "file", "sharedfile")


@pytest.mark.parametrize(("method", "args"), [
    ("SetWatcherPause", [10**400]),
    ("WaitForJobChange", [1, ["status"], None, "abc", 1]),
    ("WaitForJobChange", [1, [["status"]], None, 0, 1]),
    ("Query", ["instance", [["name"]], None]),
    ("QueryFields", ["instance", [["name"]]]),
    ("QueryJobs", [5, ["id"]]),
    ("QueryJobs", [[1], [["id"]]]),
    ("QueryInstances", [[], [["name"]], False]),
    ("QueryConfigValues", [[["cluster_name"]]]),
    ("CancelJob", ["9" * 5000]),
    ("CancelJob", ["\u00b2"]),
    ("SetPluginEnabled", [["hypervisors"], "fake", True]),
], ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:40])
def test_arguments_of_the_wrong_kind_are_refused(
    master: OneMaster, method: str, args: list[Any]
) -> None:
    with pytest.raises(RequestError, match="Failed to parse request"):
        master.client.call(method, *args)


def test_plugins_that_are_switched_at_once_are_all_switched(master: OneMaster) -> None:
    def switch(name: str, *, enabled: bool) -> None:
        with LuxiClient(master.paths.master_socket) as client:
            client.set_plugin_enabled("disk_templates", name, enabled)

    with ThreadPoolExecutor(len(NAMES)) as pool:
        for enabled in (False, True):
            list(pool.map(lambda name, on=enabled: switch(name, enabled=on), NAMES))
            disabled = master.daemon.store.snapshot.cluster.disabled_plugins
            assert len(disabled) == (0 if enabled else len(NAMES))
