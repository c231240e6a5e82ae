import json
from pathlib import Path

from ganeti_core.plugin_api import InstanceSpec, NicSpec
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_network_sdn import FOLDER, SdnNetwork, document


def test_the_agent_gets_what_it_needs(tmp_path: Path) -> None:
    ctx = make_context(tmp_path)
    (ctx.root / FOLDER).mkdir(parents=True)
    (ctx.root / FOLDER / "networks").write_text("tenant7\n")
    nic = NicSpec("41c0", 0, "aa:00:00:11:22:33", mode="sdn", link="tenant7", ip="192.0.2.7")
    SdnNetwork().attach(ctx, nic, InstanceSpec("c0ff", "inst1", "mine"), "tap0")
    assert json.loads(document(ctx, "tap0").read_text()) == {
        "interface": "tap0", "network": "tenant7", "mac": "aa:00:00:11:22:33", "ip": "192.0.2.7",
        "owner": "inst1"}
