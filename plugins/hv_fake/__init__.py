"""The fake hypervisor: guests that are files, for tests, benchmarks and trying things out.

It keeps the whole contract with live migration, starts no process and returns in well under a
millisecond, so one machine can hold a cluster of thousands of instances.

Failing on order: the file ``etc/ganeti/fake-faults.json`` below the node's root tells which hooks
fail, how and how often; `ganeti_core.plugin_api.testing.faults` documents its form. An example,
where the next start of one instance fails and every migration loses its answer::

    {"start": {"mode": "fail", "times": 1, "instance": "inst1.example.com"},
     "migration_finish": {"mode": "die", "when": "after"}}

Node settings, in `HookContext.config` or in the file ``etc/ganeti/fake-node.json`` below the node's
root: ``fake_memory`` (MiB) and ``fake_cpus`` replace what the host has, ``fake_version`` is the
version of this hypervisor (none), ``fake_migration_seconds`` (0) is how long a transfer takes.

A power cycle ends all guests and adds a line to the file ``power-cycles`` in `HookContext.keep`.

Migration: the two nodes do not see each other's files. Only a guest in the state ``running``,
``paused``, ``user-down``, ``stuck`` or ``crashed`` is listed; while it moves it is ``migrated-out``
at its source and ``receiving`` at its target and listed by neither, so no failure can make it run
on both. As nothing is really sent, the source can take the guest back until its `migration_finish`
with success; a `skip` fault of `migration_abort` plays an abort that comes too late.
"""

from .driver import FakeHypervisor

__all__ = ["FakeHypervisor"]
