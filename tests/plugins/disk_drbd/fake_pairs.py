"""Of the stand-in for DRBD: what a kernel notes of a disk, and what its two ends make of that."""

import marshal
import posix

MAGIC = b"fake drbd notes "
NEW = 4


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status, self.text = status, text


# What DRBD notes of a disk's data


def read_notes(path):
    try:
        with open(path, "rb") as file:
            line = file.read(1 << 12)
    except OSError as exc:
        raise Refused(20, f"open({path}) failed: {exc.strerror}") from None
    if not line.startswith(MAGIC):
        raise Refused(1, "No valid meta data found")
    return marshal.loads(line[len(MAGIC):])  # noqa: S302  # its own notes


def write_notes(path, gi):
    with open(path, "r+b") as file:
        file.write((MAGIC + marshal.dumps(gi)).ljust(1 << 12, b"\0"))


def keep(minor):
    """What the kernel knows of its data is in the notes, too."""
    if minor["notes"]:
        minor["gi"]["primary"] = int(minor["role"] == "Primary")
        write_notes(minor["notes"], minor["gi"])


def fresh_number():
    return int.from_bytes(posix.urandom(7), "big") << 4 | 8


# Two nodes


def shake_hands(one, other):
    """What both do when they reach each other."""
    if one["secret"] != other["secret"] or one["both"] != other["both"]:
        stand_alone(one, other)
        return
    for this, peer in ((one, other), (other, one)):
        this.update(prole=peer["role"], pds=peer["ds"], connects=this["connects"] + 1)
        if this["frozen"]:
            this["frozen"] = False
            next_generation(this)
    source = who_gives(one, other)
    if source == "nobody":
        for this, peer in ((one, other), (other, one)):
            this["ds"] = "UpToDate" if this["ds"] == "Consistent" else this["ds"]
            peer.update(cs="Connected", pds=this["ds"])
        return
    if source is None:
        stand_alone(one, other)
        return
    target = other if source is one else one
    if source["ds"] == "Consistent":
        source["ds"] = "UpToDate"  # what is copied counts as the newest from the first block on
    source.update(cs="SyncSource", done=0.0, pds="Inconsistent", dirty=True)
    target.update(cs="SyncTarget", done=0.0, ds="Inconsistent", pds="UpToDate", dirty=True)
    target["gi"].update(consistent=0, fresh=0)
    keep(target)


def stand_alone(*minors):
    for minor in minors:
        minor.update(cs="StandAlone", prole="Unknown", pds="DUnknown")


def who_gives(one, other):
    """The side whose data the other gets; "nobody" where they are alike, None where they differ."""
    a, b = one["gi"], other["gi"]
    if a["current"] == b["current"] == NEW:
        return "nobody"
    if NEW in (a["current"], b["current"]):
        return one if b["current"] == NEW else other
    if a["current"] == b["current"]:
        if one["ds"] == other["ds"] or "Consistent" in (one["ds"], other["ds"]):
            return "nobody"
        return one if one["ds"] == "UpToDate" else other
    if a["bitmap"] == b["current"] or b["current"] in a["history"]:
        return one
    if b["bitmap"] == a["current"] or a["current"] in b["history"]:
        return other
    if one["discard"] != other["discard"]:
        return other if one["discard"] else one
    return None


def lose_peer(minor):
    """The peer has gone: what is written from now on is another generation.

    Tells whether writes wait, first of all, for what the helper says.
    """
    was_connected = minor["cs"] in ("SyncSource", "SyncTarget", "Connected")
    if was_connected:
        known = minor["pds"] in ("Inconsistent", "Outdated")
        minor.update(prole="Unknown", pds=minor["pds"] if known else "DUnknown")
    minor["cs"] = "WFConnection" if minor["remote"] else "StandAlone"
    if minor["role"] != "Primary":
        return False
    if was_connected and fences(minor) and minor["pds"] == "DUnknown":
        minor["frozen"] = True
        return True
    if minor["ds"] == "UpToDate" and not minor["frozen"]:
        next_generation(minor)
    return False


def fences(minor):
    return minor["options"].get("fencing") == "resource-and-stonith"


def obey(minor, status):
    """What the kernel knows by the helper's exit status; whether the peer is outdated."""
    if status in (4, 7) or (status == 5 and minor["ds"] == "UpToDate"):
        minor["pds"] = "Outdated"
    elif status == 6:
        minor["ds"] = "Outdated"
    return minor["pds"] == "Outdated"


def next_generation(minor):
    gi = minor["gi"]
    if gi["bitmap"] == 0:
        gi.update(bitmap=gi["current"], current=fresh_number(),
                  history=[gi["current"], *gi["history"]][:2])
    minor["dirty"] = True
    keep(minor)


def replicate(source, target):
    """What is on one side is on the other."""
    if not (source["data"] and target["data"]):
        return
    with open(source["data"], "rb") as old, open(target["data"], "r+b") as new:
        this, other = old.fileno(), new.fileno()
        size = posix.fstat(this).st_size
        if posix.fstat(other).st_size < size:
            posix.ftruncate(other, size)
        for start, end in {*written(this), *written(other)}:
            data = posix.pread(this, end - start, start)
            if posix.pread(other, len(data), start) != data:
                posix.pwrite(other, data, start)


def written(descriptor):
    """Where a file has no holes. Most of a volume is one, and reading them takes time."""
    end = 0
    while True:
        try:
            start = posix.lseek(descriptor, end, posix.SEEK_DATA)
        except OSError:  # there is only a hole left
            return
        end = posix.lseek(descriptor, start, posix.SEEK_HOLE)
        yield start, end
