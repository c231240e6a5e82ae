"""From a cluster as it is and a file to the plan that makes one the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.spec.instances import Instances
from ganeti_core.spec.settings import Settings
from ganeti_core.spec.steps import Plan

if TYPE_CHECKING:
    from ganeti_core.spec.parameters import Params


def compare(have: Params, want: Params, *, prune: bool = False) -> Plan:
    """Return what is to be done.

    :param have: the cluster, a whole document
    :param want: the file, checked; what it does not name is left as it is
    :param prune: remove what the file lacks, in the sections and lists that it has
    """
    plan = Plan()
    Settings(have, want, plan, prune=prune).compare()
    Instances(have, want, plan, prune=prune).compare()
    return plan
