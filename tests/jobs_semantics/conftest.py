"""One master per module; each test leaves it without jobs that run and without rules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from one_master import OneMaster, one_master


@pytest.fixture(scope="module")
def module_master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneMaster]:
    with one_master(tmp_path_factory.mktemp("master")) as master:
        yield master


@pytest.fixture
def master(module_master: OneMaster) -> Iterator[OneMaster]:
    yield module_master
    for (uuid,) in module_master.client.query_filters(None, ["uuid"]):
        module_master.client.delete_filter(uuid)
    module_master.configure(max_running_jobs=20)
    module_master.cancel_all()
