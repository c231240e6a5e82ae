"""Instances that share a spread tag are kept apart."""

from ganeti_core.plugin_api.testing.allocation import allocate
from ganeti_iallocator_spread import SpreadAllocator


def test_a_node_without_its_like_is_taken_though_it_has_less_memory() -> None:
    request = allocate()
    request["request"]["tags"] = ["spread:web", "other"]
    request["instances"]["inst1.example.com"]["tags"] = ["spread:web"]
    request["nodes"]["node1.example.com"]["free_memory"] = 8000
    request["nodes"]["node3.example.com"]["free_memory"] = 2000
    request["nodes"]["node2.example.com"]["offline"] = True
    assert SpreadAllocator().solve(request)["result"] == ["node3.example.com"]


def test_other_tags_do_not_matter() -> None:
    request = allocate()
    request["request"]["tags"] = ["other"]
    request["instances"]["inst1.example.com"]["tags"] = ["other"]
    request["nodes"]["node1.example.com"]["free_memory"] = 8000
    assert SpreadAllocator().solve(request)["result"] == ["node1.example.com"]
