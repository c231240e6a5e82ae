"""A stand-in for LVM's program lvm: its groups are entries of a file, its volumes are files.

It prints what LVM 2.03.16 was seen to print, with the same exit statuses: reports as JSON, sizes in
bytes. A folder is its host; a file ``busy`` there has the names of volumes that somebody uses, a
line each, ``lost`` those of physical volumes that are gone. It is called often, and so imports what
is built in alone (see `stand_in`): what it prints are texts without quotes in them.
"""

import marshal
import posix
import sys

MIB = 1 << 20
VALUES_ALONE = 2
"""A version of marshal: what later ones write of equal data is not always the same."""
EXTENT = 4
TARGETS = str.maketrans("tVrs", "ttrs")
VALUED = {"--name", "--size", "--addtag", "--deltag", "--stripes", "--wipesignatures", "--thinpool",
          "--virtualsize", "--permission", "--activate", "--setactivationskip", "--allocatable",
          "--reportformat", "--units", "-o"}


class Refused(Exception):
    """What LVM prints on standard error, with exit status 5."""


class Host:
    """The node's groups, locked; what is changed is kept."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self.lock = open(f"{self.folder}/lock", "wb")
        posix.lockf(self.lock.fileno(), posix.F_LOCK, 0)
        with open(f"{self.folder}/state", "rb") as file:
            self.known = file.read()
        self.state = marshal.loads(self.known)  # noqa: S302  # its own file
        return self

    def __exit__(self, *_):
        if (state := marshal.dumps(self.state, VALUES_ALONE)) != self.known:
            with open(f"{self.folder}/state.new", "wb") as file:
                file.write(state)
            posix.replace(f"{self.folder}/state.new", f"{self.folder}/state")
        self.lock.close()

    def listed(self, name):
        try:
            with open(f"{self.folder}/{name}") as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def path(self, group, name):
        return f"{self.folder}/dev/{group}/{name}"

    def used(self, pv):
        return sum(one["on"].get(pv, 0) for one in self.state["lvs"].values())

    def free(self, pv):
        return self.state["pvs"][pv]["size"] - self.used(pv)

    def pvs(self, group):
        return sorted(name for name, pv in self.state["pvs"].items() if pv["group"] == group)

    def volume(self, name):
        if name not in self.state["lvs"]:
            group = name.partition("/")[0]
            if group not in self.state["vgs"]:
                raise Refused(f'  Volume group "{group}" not found')
            raise Refused(f'  Failed to find logical volume "{name}"')
        return self.state["lvs"][name]

    def allocate(self, group, size, stripes, chosen):
        """Spread so many MiB over physical volumes."""
        usable = [pv for pv in (chosen or self.pvs(group)) if self.state["pvs"][pv]["allocatable"]
                  and self.free(pv) > 0]
        if stripes > len(usable):
            raise Refused(f"  Number of stripes ({stripes}) must not exceed number of physical"
                          f" volumes ({len(usable)})")
        size = -(-size // (EXTENT * stripes)) * EXTENT * stripes
        if stripes > 1:
            most = sorted(usable, key=self.free)[-stripes:]
            if min(map(self.free, most)) < size // stripes:
                raise Refused("  Insufficient suitable allocatable extents for logical volume")
            return size, dict.fromkeys(most, size // stripes)
        on, left = {}, size
        for pv in usable:
            on[pv] = min(left, self.free(pv))
            left -= on[pv]
        if left:
            free = sum(map(self.free, usable)) // EXTENT
            raise Refused(f'  Volume group "{group}" has insufficient free space ({free} extents):'
                          f" {size // EXTENT} required.")
        return size, {pv: taken for pv, taken in on.items() if taken}


def parse(words):
    """Options and arguments; an option that is given twice has a list."""
    options, arguments, left = {}, [], list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            arguments.append(word)
        elif word in VALUED:
            options.setdefault(word, []).append(left.pop(0))
        else:
            options[word] = True
    return options, arguments


def mib(text):
    assert text.endswith("m"), text
    return int(text[:-1])


def vgs(host, options, arguments):
    rows = []
    for group in host.state["vgs"]:
        pvs = host.pvs(group)
        lost = [pv for pv in pvs if pv in host.listed("lost")]
        rows.append({
            "vg_name": group,
            "vg_size": str(sum(host.state["pvs"][pv]["size"] for pv in pvs) * MIB),
            "vg_free": str(sum(map(host.free, pvs)) * MIB),
            "vg_extent_size": str(EXTENT * MIB), "vg_missing_pv_count": str(len(lost))})
    report("vg", rows)


def pvs(host, options, arguments):
    rows = []
    for name, pv in host.state["pvs"].items():
        missing = name in host.listed("lost")
        rows.append({
            "pv_name": "[unknown]" if missing else name, "vg_name": pv["group"],
            "pv_size": str(pv["size"] * MIB), "pv_free": str(host.free(name) * MIB),
            "pv_used": str(host.used(name) * MIB),
            "pv_attr": f"{'a' if pv['allocatable'] else '-'}-{'m' if missing else '-'}"})
    report("pv", rows)


def lvs(host, options, arguments):
    rows = []
    for full, lv in host.state["lvs"].items():
        group, _, name = full.partition("/")
        lost = sorted(set(lv["on"]) & set(host.listed("lost")))
        attributes = "".join((
            lv["kind"], "r" if lv["read_only"] else "w", "i-", "a" if lv["active"] else "-",
            "o" if full in host.listed("busy") else "-", lv["kind"].translate(TARGETS),
            "z" if lv["kind"] in "tV" and lv.get("zeroes", True) else "-",
            "p" if lost else "-", "-"))
        row = {"vg_name": group, "lv_name": name, "lv_path": host.path(group, name),
               "lv_size": str(lv["size"] * MIB), "lv_attr": attributes, "pool_lv": lv["pool"],
               "origin": lv["origin"], "lv_tags": ",".join(sorted(lv["tags"])),
               "lv_health_status": "partial" if lost else "",
               "data_percent": "0.00" if lv["kind"] in "tVs" else "", "devices": ""}
        rows += [{**row, "devices": f"{pv}(0)"} for pv in lv["on"]] or [row]
    report("lv", rows)


def report(what, rows):
    print(str({"report": [{what: rows}]}).replace("'", '"'))


def lvcreate(host, options, arguments):
    name, tags = options["--name"][0], options.get("--addtag", [])
    origin = pool = ""
    if "--snapshot" in options:
        source = host.volume(arguments[0])
        group, _, origin = arguments[0].partition("/")
    else:
        group = arguments[0]
    if group not in host.state["vgs"]:
        raise Refused(f'  Volume group "{group}" not found\n  Cannot process volume group {group}')
    if f"{group}/{name}" in host.state["lvs"]:
        raise Refused(f'  Logical Volume "{name}" already exists in volume group "{group}"')
    if "--thinpool" in options:
        pool, kind, on = options["--thinpool"][0], "V", {}
        host.volume(f"{group}/{pool}")
        size = -(-mib(options["--virtualsize"][0]) // EXTENT) * EXTENT
    elif origin and source["pool"]:
        pool, kind, on, size = source["pool"], "V", {}, source["size"]
    else:
        size, on = host.allocate(group, mib(options["--size"][0]),
                                 int(options.get("--stripes", ["1"])[0]), arguments[1:])
        kind = "s" if origin else "-"
    path = host.path(group, name)
    if origin:
        import shutil

        shutil.copy(host.path(group, origin), path)
    else:
        with open(path, "wb") as file:
            file.truncate(size * MIB)
    host.state["lvs"][f"{group}/{name}"] = {
        "size": size, "on": on, "tags": tags, "kind": kind, "pool": pool, "origin": origin,
        "active": True, "read_only": "--permission" in options}


def lvremove(host, options, arguments):
    full = arguments[0]
    host.volume(full)
    if full in host.listed("busy"):
        raise Refused(f"  Logical volume {full} contains a filesystem in use.")
    group, _, name = full.partition("/")
    snapshots = [one for one, lv in host.state["lvs"].items() if lv["origin"] == name
                 and one.startswith(f"{group}/") and not lv["pool"]]
    for gone in (full, *snapshots):
        del host.state["lvs"][gone]
        posix.unlink(host.path(*gone.split("/")))


def lvextend(host, options, arguments):
    full, chosen = arguments[0], arguments[1:]
    lv = host.volume(full)
    more = mib(options["--size"][0]) - lv["size"]
    if more <= 0:
        raise Refused("  New size given is not larger than existing size")
    if lv["kind"] == "V":
        lv["size"] += -(-more // EXTENT) * EXTENT
    else:
        added, on = host.allocate(full.split("/")[0], more, len(lv["on"]), chosen)
        lv["size"] += added
        for pv, size in on.items():
            lv["on"][pv] = lv["on"].get(pv, 0) + size
    posix.truncate(host.path(*full.split("/")), lv["size"] * MIB)


def lvchange(host, options, arguments):
    lv = host.volume(arguments[0])
    tags = set(lv["tags"]) - set(options.get("--deltag", [])) | set(options.get("--addtag", []))
    lv["tags"] = sorted(tags)
    lv["active"] = options.get("--activate", ["y" if lv["active"] else "n"])[0] == "y"


def lvrename(host, options, arguments):
    group, old, new = arguments
    lv = host.volume(f"{group}/{old}")
    if f"{group}/{new}" in host.state["lvs"]:
        raise Refused(f'  Logical volume "{new}" already exists in volume group "{group}"')
    del host.state["lvs"][f"{group}/{old}"]
    host.state["lvs"][f"{group}/{new}"] = lv
    posix.rename(host.path(group, old), host.path(group, new))


def pvchange(host, options, arguments):
    host.state["pvs"][arguments[0]]["allocatable"] = options["--allocatable"][0] == "y"


def vgreduce(host, options, arguments):
    for pv in host.listed("lost"):
        host.state["pvs"].pop(pv, None)
        for full, lv in list(host.state["lvs"].items()):
            if pv in lv["on"]:
                del host.state["lvs"][full]
    open(f"{host.folder}/lost", "w").close()


def vgmknodes(host, options, arguments):
    host.volume(arguments[0])


COMMANDS = {function.__name__: function for function in (
    vgs, pvs, lvs, lvcreate, lvremove, lvextend, lvchange, lvrename, pvchange, vgreduce, vgmknodes)}


def main():
    folder, command, *words = sys.argv[1:]
    with Host(folder) as host:
        try:
            COMMANDS[command](host, *parse(words))
        except Refused as exc:
            sys.stderr.write(f"{exc}\n")
            return 5
    return 0
