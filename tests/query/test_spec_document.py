"""What ``export-spec`` shows: all that a file can say, or a plan would never be empty."""

from __future__ import annotations

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.query.spec import spec_document
from ganeti_core.spec.schema import CLUSTER


def test_every_setting_of_the_cluster_is_shown(snapshot: Snapshot) -> None:
    shown = spec_document(snapshot)["cluster"].keys()
    # A text that is empty is left out, which a plan knows.
    assert {name for name, schema in CLUSTER["properties"].items()
            if schema["type"] != "string"} - shown == set()
