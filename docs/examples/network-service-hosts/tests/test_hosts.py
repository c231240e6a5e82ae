from pathlib import Path

from ganeti_core.plugin_api.network_services import ServedNetwork
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.network_service import NETWORK, card
from ganeti_network_service_hosts import FOLDER, HostsFiles, hosts_file


def test_the_resolver_gets_a_line_for_each_guest(tmp_path: Path) -> None:
    ctx = make_context(tmp_path)
    network = ServedNetwork("4e70", "bridged", "br0", network=NETWORK)
    (said,) = HostsFiles().check(ctx, (network,))
    assert FOLDER in said
    (ctx.root / FOLDER).mkdir(parents=True)
    HostsFiles().serve(ctx, network, (card(network, 1), card(network, 2)))
    assert hosts_file(ctx, network).read_text() == (
        "192.0.2.7 inst1.example.com\n192.0.2.8 inst2.example.com\n")
