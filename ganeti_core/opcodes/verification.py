"""The codes of what ``gnt-cluster verify`` reports, with the kind of object that each is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, OpPrereqError

if TYPE_CHECKING:
    from collections.abc import Iterable

ITEM_TYPES = {
    "cluster": (
        "ECLUSTERCERT", "ECLUSTERCFG", "ECLUSTERCLIENTCERT", "ECLUSTERFILECHECK"),
    "group": ("EGROUPDIFFERENTPVSIZE",),
    "node": (
        "ECLUSTERDANGLINGINST", "ECLUSTERDANGLINGNODES", "ECLUSTERDEBT", "EEXTAGS",
        "ENODECOLLECTOR", "ENODEDRBD", "ENODEDRBDHELPER", "ENODEDRBDVERSION", "ENODEFILECHECK",
        "ENODEFILESTORAGEPATHS",
        "ENODEFILESTORAGEPATHUNUSABLE", "ENODEGLUSTERSTORAGEPATHUNUSABLE", "ENODEHOOKS", "ENODEHV",
        "ENODELVM", "ENODEN1", "ENODENET", "ENODEOOBPATH", "ENODEORPHANINSTANCE", "ENODEORPHANLV",
        "ENODEOS", "ENODERPC", "ENODESETUP", "ENODESHAREDFILESTORAGEPATHUNUSABLE", "ENODESSH",
        "ENODETIME", "ENODEUSERSCRIPTS", "ENODEVERSION"),
    "instance": (
        "EINSTANCEBADNODE", "EINSTANCEDOWN", "EINSTANCEFAULTYDISK", "EINSTANCELAYOUT",
        "EINSTANCEMISSINGCFGPARAMETER", "EINSTANCEMISSINGDISK", "EINSTANCEPOLICY",
        "EINSTANCESPLITGROUPS", "EINSTANCEUNSUITABLENODE", "EINSTANCEWRONGNODE"),
}
CODES = {code: kind for kind, codes in ITEM_TYPES.items() for code in codes}
"""The kind of object by code. All but ``ECLUSTERDEBT`` and ``ENODECOLLECTOR``
are Ganeti's, so that clients that filter by
one can name it, whether it can be reported here or not."""
NPLUSONE = "nplusone_mem"
SKIPPABLE = (NPLUSONE,)


def check_names(codes: Iterable[str], checks: Iterable[str] = ()) -> None:
    """Refuse names of codes and of checks that there are not.

    :raises OpPrereqError: names them (`ECODE_INVAL`)
    """
    unknown = [code for code in codes if code not in CODES]
    if unknown:
        raise OpPrereqError(f"Unknown error code(s) {', '.join(unknown)}: expected some of "
                            f"{', '.join(sorted(CODES))}", ECODE_INVAL)
    unknown = [check for check in checks if check not in SKIPPABLE]
    if unknown:
        raise OpPrereqError(f"Unknown check(s) {', '.join(unknown)}: expected some of "
                            f"{', '.join(SKIPPABLE)}", ECODE_INVAL)
