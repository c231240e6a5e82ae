"""Every type of question, as Ganeti's confd answered it: the datagrams to the byte."""

from __future__ import annotations

from typing import Any

import pytest
from confd_cluster import NOW, recorded, resigned, service

from ganeti_core.confd_client.messages import Ignored

FORGED = ("bad hmac", "wrong key")


@pytest.mark.parametrize("case", recorded(), ids=lambda case: case["name"].replace(" ", "-"))
def test_what_ganeti_answered(case: dict[str, Any]) -> None:
    asked = case["request"]
    datagram = asked.encode() if case["name"] in FORGED else resigned(asked)
    if case["reply"] is None:
        with pytest.raises(Ignored):
            service().reply(datagram, NOW)
    else:
        assert service().reply(datagram, NOW) == resigned(case["reply"])
