"""Properties of the pools of addresses."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganeti_core.model import Network
from ganeti_core.model.ip_pool import Pool

SUBNETS = st.builds(
    lambda number, bits: ipaddress.IPv4Network((number, bits), strict=False),
    st.integers(0, 2**32 - 1), st.integers(22, 30))


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    subnet = draw(SUBNETS)
    gateway = draw(st.none() | st.sampled_from(list(subnet.hosts())).map(str))
    return Pool.new("net", subnet, gateway)


@given(pools())
def test_a_new_pool_keeps_its_ends(pool: Pool) -> None:
    free = list(pool.assignable())
    assert str(pool.network.network_address) not in free
    assert str(pool.network.broadcast_address) not in free
    assert free == sorted(free, key=ipaddress.IPv4Address)
    assert len(pool.external) == pool.network.num_addresses
    assert len(free) + pool.external.count("1") == pool.network.num_addresses


@given(pools(), st.data())
def test_setting_aside_and_giving_back_are_opposites(pool: Pool, data: st.DataObject) -> None:
    free = list(pool.assignable())
    if not free:
        return
    address = data.draw(st.sampled_from(free))
    marked = pool.marked(address, "1")
    assert marked.is_external(address)
    assert address not in list(marked.assignable())
    assert marked.marked(address, "0") == pool
    with pytest.raises(ValueError, match="is already externally reserved"):
        marked.marked(address, "1")
    with pytest.raises(ValueError, match="is not externally reserved"):
        pool.marked(address, "0")


@given(pools(), st.ip_addresses(v=4))
def test_only_addresses_of_the_network_belong_to_it(
    pool: Pool, address: ipaddress.IPv4Address
) -> None:
    assert pool.contains(str(address)) == (address in pool.network)
    if address not in pool.network:
        with pytest.raises(ValueError, match="does not contain"):
            pool.is_external(str(address))


@given(pools(), st.data())
def test_the_map_of_used_addresses(pool: Pool, data: st.DataObject) -> None:
    used = set(data.draw(st.lists(st.sampled_from(list(map(str, pool.network))), max_size=8)))
    bits = pool.used([*used, "203.0.113.255", "not an address"])
    first = pool.network.network_address
    assert {str(first + at) for at, bit in enumerate(bits) if bit == "1"} - {
        "203.0.113.255"} == used - {"203.0.113.255"}


@given(pools())
def test_a_pool_survives_the_configuration(pool: Pool) -> None:
    network = Network(uuid="u", name=pool.name, network=str(pool.network),
                      ext_reservations=pool.external)
    assert Pool.of(network) == pool
