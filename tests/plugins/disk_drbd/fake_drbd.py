"""A stand-in for DRBD 8.4: its kernel module on several nodes, and the programs that drive it.

The nodes of a test share one folder, the world, with a file of what their kernels know. A node is a
file tree: its devices are links in its ``dev``, and its ``proc/drbd`` is written anew whenever
something changes. What DRBD notes of a disk is in the volume of its notes, as the real one has it.

Nothing happens by itself: each call of ``drbdsetup`` is a moment that passes, in which connected
nodes shake hands, a synchronization goes on a step, and what a primary node wrote reaches its peer.
Only the helper that a kernel calls runs beside that, in a process of its own; until it has ended a
frozen device leads nowhere.
Called as a program, which it is often, it imports hardly more than what is built in; see
`stand_in`.
"""

import fcntl
import marshal
import posix
import sys

from fake_pairs import (
    NEW,
    Refused,
    fences,
    fresh_number,
    keep,
    lose_peer,
    next_generation,
    obey,
    read_notes,
    replicate,
    shake_hands,
    write_notes,
)

STEP = 40.0
"""Percent of a synchronization in one moment."""
VALUES_ALONE = 2
"""A version of marshal: with later ones, what two nodes have alike would be one from then on, and
what they write of equal data is not always the same."""
REFUSED = 10
NO_DATA = 17
STATE = 11
CONNECT_OPTIONS = {
    "protocol", "allow_two_primaries", "after_sb_0pri", "after_sb_1pri", "cram_hmac_alg",
    "shared_secret", "discard_my_data", "ping_timeout"}


class World:
    """What the kernels of all nodes know, locked.

    :param shown: what they show is what they know, unless they get to know something else
    """

    def __init__(self, folder, *, shown=False):
        self.folder, self.shown = folder, shown

    def __enter__(self):
        make_folder(self.folder)
        self.lock = open(f"{self.folder}/lock", "wb")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            with open(f"{self.folder}/world", "rb") as file:
                self.known = file.read()
            self.data = marshal.loads(self.known)  # noqa: S302  # its own file
        except FileNotFoundError:
            self.known = b""
            self.data = {"nodes": {}, "cut": [], "step": STEP, "busy": []}
        return self

    def __exit__(self, *_):
        known = marshal.dumps(self.data, VALUES_ALONE)
        if known != self.known or not self.shown:
            for root, node in self.data["nodes"].items():
                self.publish(root, node)
            path = f"{self.folder}/world"
            with open(path + ".new", "wb") as file:
                file.write(known)
            posix.replace(path + ".new", path)
        self.lock.close()

    def outside(self, act):
        """Act while others may use the world, as a kernel that waits for a program."""
        self.__exit__()
        try:
            return act()
        finally:
            self.__enter__()

    # Nodes

    def add_node(self, root, helper="/bin/true"):
        self.data["nodes"].setdefault(root, {"minors": {}, "up": True, "resources": {}})
        for folder in ("", "proc", "dev", "sys", "sys/module", "sys/module/drbd",
                       "sys/module/drbd/parameters", "sys/block"):
            make_folder(f"{root}/{folder}")
        with open(f"{root}/sys/module/drbd/parameters/usermode_helper", "w") as file:
            file.write(f"{helper}\n")

    def publish(self, root, node):
        """Write what the node's kernel shows."""
        if not node["up"] or not exists(f"{root}/proc"):
            return
        lines = ["version: 8.4.11 (api:1/proto:86-101)", "srcversion: 0123456789ABCDEF01234567"]
        for number, minor in sorted(node["minors"].items(), key=lambda pair: int(pair[0])):
            lines += shown(number, minor)
        write(f"{root}/proc/drbd", "\n".join(lines) + "\n")
        wanted = {f"drbd{number}" for number in node["minors"]}
        for name in posix.listdir(f"{root}/dev"):
            if name.startswith("drbd") and name not in wanted:
                posix.unlink(f"{root}/dev/{name}")
        for name in posix.listdir(f"{root}/sys/block"):
            if name not in wanted:
                posix.unlink(f"{root}/sys/block/{name}/size")
                posix.rmdir(f"{root}/sys/block/{name}")
        for number, minor in node["minors"].items():
            self.publish_device(root, number, minor)

    def publish_device(self, root, number, minor):
        device = f"{root}/dev/drbd{number}"
        target = ("/secondary" if minor["role"] != "Primary" else "/frozen" if minor["frozen"]
                  else self.holder(root, minor))
        if not exists(device, follow=False) or posix.readlink(device) != target:
            posix.symlink(target, f"{root}/dev/.new")  # a device is never absent for a moment
            posix.rename(f"{root}/dev/.new", device)
        folder = f"{root}/sys/block/drbd{number}"
        if minor["size"]:
            make_folder(folder)
            write(f"{folder}/size", f"{minor['size'] * 2048}\n")

    def holder(self, root, minor):
        """The volume that a primary node reads: its peer's, where its own has not all data."""
        if minor["ds"] != "UpToDate" and (found := self.peer(root, minor)) is not None:
            return found[2]["data"]
        return minor["data"]

    def peer(self, root, minor):
        """The node, number and device at the other end, if its kernel is there and configured."""
        if not minor["remote"] or not self.data["nodes"][root]["up"]:
            return None
        for other, node in self.data["nodes"].items():
            for number, found in node["minors"].items():
                if (found["local"] == minor["remote"] and found["remote"] == minor["local"]
                        and node["up"] and other != root
                        and sorted([root, other]) not in self.data["cut"]):
                    return other, number, found
        return None

    # Time

    def pass_moment(self):
        for root, node in list(self.data["nodes"].items()):
            for number, minor in list(node["minors"].items()):
                if node["up"]:
                    self.live(root, number, minor)

    def live(self, root, number, minor):
        if minor["cs"] == "StandAlone":
            return
        found = self.peer(root, minor)
        if found is None or found[2]["cs"] == "StandAlone":
            if lose_peer(minor):
                call_helper_later(self.folder, root, number)
            return
        peer = found[2]
        if minor["cs"] in ("WFConnection", "Unconnected"):
            shake_hands(minor, peer)
        elif minor["cs"] == "SyncSource":
            self.synchronize(minor, peer)
        elif minor["cs"] == "Connected" and minor["role"] == "Primary":
            replicate(minor, peer)

    def synchronize(self, source, target):
        target["done"] = source["done"] = min(100.0, source["done"] + self.data["step"])
        if source["done"] < 100.0:
            return
        replicate(source, target)
        target["gi"] = dict(source["gi"], bitmap=0)
        source["gi"]["bitmap"] = 0
        for one in (source, target):
            one["gi"].update(consistent=1, fresh=1, crashed=0)
            one.update(cs="Connected", ds="UpToDate", pds="UpToDate", dirty=False)
            keep(one)


def write(path, text):
    try:
        with open(path) as file:
            if file.read() == text:
                return
    except OSError:
        pass
    with open(path + "~", "w") as file:
        file.write(text)
    posix.replace(path + "~", path)


def make_folder(path):
    if not exists(path):
        posix.mkdir(path)


def exists(path, *, follow=True):
    try:
        posix.stat(path, follow_symlinks=follow)
    except OSError:
        return False
    return True


def shown(number, minor):
    if minor["ds"] is None:
        return [f"{int(number):2d}: cs:Unconfigured"]
    protocol = " " if minor["cs"] == "StandAlone" else minor["protocol"]
    lines = [f"{int(number):2d}: cs:{minor['cs']} ro:{minor['role']}/{minor['prole']} "
             f"ds:{minor['ds']}/{minor['pds']} {protocol} {'s' if minor['frozen'] else 'r'}-----",
             "    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:d oos:"
             f"{1024 if minor['dirty'] else 0}"]
    if minor["cs"] in ("SyncSource", "SyncTarget"):
        lines += [f"\t[=====>..............] sync'ed: {minor['done']:4.1f}% (1024/4096)K",
                  "\tfinish: 0:00:05 speed: 64,800 (64,800) K/sec"]
    return lines


# The helper


def call_helper(root, resource):
    """Return the exit status of the program that the kernel calls."""
    import subprocess

    with open(f"{root}/sys/module/drbd/parameters/usermode_helper") as file:
        program = file.read().strip()
    environment = {"HOME": "/", "TERM": "linux", "PATH": "/sbin:/usr/sbin:/bin:/usr/bin",
                   "DRBD_PEER_AF": "ipv4", "GANETI_ROOT": root}
    return subprocess.run([program, "fence-peer", resource], env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True).returncode


def call_helper_later(folder, root, number):
    """As a thread of the kernel does, which nobody waits for."""
    import subprocess

    subprocess.run(["/bin/sh", "-c", '"$@" &', "sh", sys.executable, "-S", "-E",
                    __file__, folder, root, number],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, start_new_session=True, check=True)


def after_loss(folder, root, number):
    """Call the helper for a device that has lost its peer, and obey."""

    def found(world):
        return world.data["nodes"][root]["minors"].get(number)

    with World(folder) as world:
        if (minor := found(world)) is None:
            return
        resource, connects = minor["resource"], minor["connects"]
    status = call_helper(root, resource)
    with World(folder) as world:
        minor = found(world)
        if minor is None or minor["connects"] != connects or minor["cs"] == "Connected":
            return  # it was connected meanwhile
        obey(minor, status)
        if minor["frozen"] and minor["pds"] == "Outdated":
            minor["frozen"] = False
            next_generation(minor)


# drbdsetup


class Setup:
    """One call on one node."""

    def __init__(self, world, root):
        self.world, self.root = world, root
        self.node = world.data["nodes"][root]

    def minor(self, number):
        if number not in self.node["minors"]:
            raise Refused(REFUSED, f"{number}: Failure: (127) Device minor not allocated\n"
                                   "additional info from kernel:\nunknown minor")
        return self.node["minors"][number]

    def of_resource(self, name):
        return [minor for minor in self.node["minors"].values() if minor["resource"] == name]

    def of_ends(self, local, remote):
        for minor in self.node["minors"].values():
            if (minor["local"], minor["remote"]) == (local, remote):
                return minor
        raise Refused(REFUSED, "??: Failure: (162) Invalid configuration request\n"
                               "additional info from kernel:\nunknown connection")

    def new_resource(self, name):
        self.node["resources"][name] = True

    def new_minor(self, name, number, _volume):
        if number in self.node["minors"]:
            return
        self.node["minors"][number] = {
            "resource": name, "data": "", "notes": "", "size": 0, "ds": "Diskless",
            "pds": "DUnknown", "role": "Secondary", "prole": "Unknown", "cs": "StandAlone",
            "local": "", "remote": "", "both": False, "secret": "", "protocol": "C",
            "discard": False, "done": 0.0, "dirty": False, "gi": {}, "options": {},
            "frozen": False, "connects": 0}

    def attach(self, number, data, notes, _index, **options):
        minor = self.minor(number)
        if minor["data"]:
            raise Refused(REFUSED, f"{number}: Failure: (124) Device is attached to a disk (use "
                                   "detach first)")
        for path in (data, notes):
            if not exists(path):
                raise Refused(REFUSED, f"{number}: Failure: (104) Can not open backing device.")
        gi = read_notes(notes)
        wanted = int(options["size"].rstrip("m"))
        if posix.stat(data).st_size < wanted << 20:
            raise Refused(REFUSED, f"{number}: Failure: (111) Low.dev. smaller than requested DRBD-"
                                   "dev. size.")
        minor.update(data=data, notes=notes, size=wanted, gi=gi, options=options)
        minor.update(ds="Consistent" if gi["consistent"] and gi["fresh"] and fences(minor) else
                     "UpToDate" if gi["consistent"] and gi["fresh"] else
                     "Outdated" if gi["consistent"] else "Inconsistent")
        found = self.world.peer(self.root, minor)
        if found is not None and minor["cs"] == "Connected":
            shake_hands(minor, found[2])

    def disk_options(self, number, **options):
        self.minor(number)["options"].update(options)

    def connect(self, name, local, remote, **options):
        if unknown := sorted(options.keys() - CONNECT_OPTIONS):
            raise Refused(20, f"drbdsetup: unrecognized option '--{unknown[0]}'")
        [minor] = self.of_resource(name)
        if minor["remote"]:
            raise Refused(REFUSED, f"{name}: Failure: (125) Device has a net-config (use disconnect"
                                   " first)")
        minor.update(local=local, remote=remote, cs="WFConnection", pds="DUnknown",
                     secret=options["shared_secret"], both=options["allow_two_primaries"] == "yes",
                     protocol=options["protocol"], discard="discard_my_data" in options)

    def net_options(self, local, remote, **options):
        minor = self.of_ends(local, remote)
        both = options["allow_two_primaries"] == "yes"
        if not both and (minor["role"], minor["prole"]) == ("Primary", "Primary"):
            raise Refused(REFUSED, "??: Failure: (164) Can not clear allow_two_primaries as long "
                                   "as\nthere a primaries on both sides")
        minor.update(both=both, protocol=options["protocol"])

    def disconnect(self, local, remote):
        minor = self.of_ends(local, remote)
        self.leave(minor)

    def leave(self, minor):
        """End the connection; the peer goes on waiting for it."""
        found = self.world.peer(self.root, minor)
        if minor["cs"] == "Connected" and found is not None:
            if minor["role"] == "Primary":
                replicate(minor, found[2])
            self.outdate(minor, found[2])
        lose_peer(minor)
        minor.update(local="", remote="", cs="StandAlone", both=False, discard=False)

    def outdate(self, minor, peer):
        """Of two that part in good order the one that does not write is outdated, if any fences."""
        for this, other in ((minor, peer), (peer, minor)):
            if (fences(this) or fences(other)) and this["role"] == "Primary" and (
                    other["role"] == "Secondary" and other["ds"] == "UpToDate"):
                other["ds"] = this["pds"] = "Outdated"
                other["gi"]["fresh"] = 0
                keep(other)

    def detach(self, number):
        minor = self.minor(number)
        if minor["data"]:
            keep(minor)
            if minor["pds"] != "UpToDate" and minor["role"] == "Primary":
                raise Refused(NO_DATA, f"{number}: State change failed: (-2) Need access to "
                                       "UpToDate data")
        minor.update(data="", notes="", size=0, ds="Diskless")
        found = self.world.peer(self.root, minor)
        if found is not None and minor["cs"] != "StandAlone":
            minor["cs"] = found[2]["cs"] = "Connected"
            found[2]["pds"] = "Diskless"
            if minor["role"] == "Primary":
                next_generation(found[2])

    def primary(self, number, **options):
        minor, force = self.minor(number), "force" in options
        if minor["role"] == "Primary":
            return
        if minor["prole"] == "Primary" and not minor["both"]:
            raise Refused(STATE, f"{number}: State change failed: (-1) Multiple primaries not "
                                 "allowed by config")
        if fences(minor) and minor["cs"] in ("WFConnection", "StandAlone") and (
                minor["pds"] == "DUnknown" and minor["ds"] in ("UpToDate", "Consistent")):
            minor = self.fence(number, minor, force)
        if "UpToDate" not in (minor["ds"], minor["pds"]):
            if not (force and minor["data"]):
                raise Refused(NO_DATA, f"{number}: State change failed: (-2) Need access to "
                                       "UpToDate data")
            minor.update(ds="UpToDate")
            minor["gi"].update(current=fresh_number(), bitmap=0, consistent=1, fresh=1)
        minor["role"] = "Primary"
        keep(minor)
        found = self.world.peer(self.root, minor)
        if found is not None and minor["cs"] not in ("WFConnection", "StandAlone"):
            found[2]["prole"] = "Primary"
        elif minor["ds"] == "UpToDate":
            next_generation(minor)

    def fence(self, number, minor, force):
        """Call the helper before the device is written; nobody else is kept waiting."""
        status = self.world.outside(lambda: call_helper(self.root, minor["resource"]))
        self.node = self.world.data["nodes"][self.root]
        minor = self.minor(number)
        if obey(minor, status):
            minor["ds"] = "UpToDate"
        elif minor["ds"] == "UpToDate" and not force:
            raise Refused(STATE, f"{number}: State change failed: (-7) Refusing to be Primary "
                                 "while peer is not outdated")
        return minor

    def secondary(self, number):
        minor = self.minor(number)
        if minor["role"] == "Primary" and [self.root, number] in self.world.data["busy"]:
            raise Refused(STATE, f"{number}: State change failed: (-12) Device is held open by "
                                 "someone")
        found = self.world.peer(self.root, minor)
        if found is not None and minor["cs"] == "Connected":
            if minor["role"] == "Primary":
                replicate(minor, found[2])
            found[2]["prole"] = "Secondary"
        minor["role"] = "Secondary"
        keep(minor)

    def resize(self, number, **options):
        minor = self.minor(number)
        if "Primary" not in (minor["role"], minor["prole"]):
            raise Refused(REFUSED, f"{number}: Failure: (130) Need one primary node to resize.")
        wanted = int(options["size"].rstrip("m"))
        ends = [minor]
        found = self.world.peer(self.root, minor)
        if found is not None and minor["cs"] == "Connected":
            ends.append(found[2])
        if any(posix.stat(end["data"]).st_size < wanted << 20 for end in ends):
            raise Refused(REFUSED, f"{number}: Failure: (111) Low.dev. smaller than requested DRBD-"
                                   "dev. size.")
        for end in ends:
            end["size"] = wanted

    def down(self, name):
        if name not in self.node["resources"]:
            return
        for number, minor in list(self.node["minors"].items()):
            if minor["resource"] == name:
                self.secondary(number)
                self.leave(minor)
                self.detach(number)
                del self.node["minors"][number]
        del self.node["resources"][name]

    def show(self, number):
        minor = self.minor(number)
        print(f"resource {minor['resource']} {{\n    options {{\n    }}\n    net {{")
        if minor["both"]:
            print("        allow-two-primaries\tyes;")
        print("        after-sb-0pri           discard-zero-changes;\n    }")
        if minor["remote"]:
            print("    _remote_host {\n        address                 "
                  f"{minor['remote'].replace(':', ' ', 1)};\n    }}")
        print("    _this_host {")
        if minor["local"]:
            print(f"        address                 {minor['local'].replace(':', ' ', 1)};")
        print(f"        volume 0 {{\n            device                      minor {number};")
        if minor["data"]:
            print(f'            disk                        "{minor["data"]}";\n'
                  f'            meta-disk                   "{minor["notes"]}" [ 0 ];\n'
                  "            disk {\n                size                    "
                  f"{minor['size'] * 2048}s; # bytes")
            if fences(minor):
                print("                fencing                 resource-and-stonith;")
            print("            }")
        print("        }\n    }\n}")


def setup(world, root, words):
    verb, *rest = words
    options = {}
    plain = []
    for word in rest:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            options[name.replace("-", "_")] = value
        else:
            plain.append(word)
    world.pass_moment()
    call = Setup(world, root)
    method = getattr(call, verb.replace("-", "_"), None)
    if method is None:
        raise Refused(20, f"drbdsetup: unknown command {verb}")
    method(*plain, **options)
    world.pass_moment()


# drbdmeta


def meta(world, root, words):
    force = "--force" in words
    device, _format, notes, _index, verb, *rest = [word for word in words if word != "--force"]
    number = device.rpartition("drbd")[2]
    attached = world.data["nodes"][root]["minors"].get(number)
    if attached is not None and attached["data"]:
        raise Refused(20, f"Device '{number}' is configured!")
    if verb == "create-md":
        if not force:
            raise Refused(1, "Operation canceled.")
        if not exists(notes):
            raise Refused(20, f"open({notes}) failed: No such file or directory")
        with open(notes, "rb") as file:
            if file.read(32772)[32768:] == b"JFS1":  # it looks beyond what LVM clears, even so
                raise Refused(40, "Found JFS filesystem\n\nThis would corrupt existing data.\n"
                                  "Operation refused.")
        write_notes(notes, {"current": NEW, "bitmap": 0, "history": [], "consistent": 0,
                            "fresh": 0, "primary": 0, "crashed": 0})
        print("New drbd meta data block successfully created.")
        return
    gi = read_notes(notes)
    if verb == "get-gi":
        old = [*gi["history"], 0, 0][:2]
        print(":".join(f"{one:016X}" for one in (gi["current"], gi["bitmap"], *old))
              + f":{gi['consistent']}:{gi['fresh']}:{gi['primary']}:0:0:0:{gi['crashed']}")
    elif verb == "set-gi":
        current, bitmap, _, _, consistent, fresh = rest[0].split(":")
        gi.update(current=int(current, 16), bitmap=int(bitmap, 16), consistent=int(consistent),
                  fresh=int(fresh))
        write_notes(notes, gi)
    elif verb != "apply-al":
        raise Refused(20, f"drbdmeta: unknown command {verb}")


def call(folder, root, name, words):
    """Act as a program on one node.

    :raises Refused: with its exit status, and what it says
    """
    with World(folder, shown=True) as world:
        (setup if name == "drbdsetup" else meta)(world, root, list(words))


def main():
    folder, root, name, *words = sys.argv[1:]
    try:
        call(folder, root, name, words)
    except Refused as exc:
        print(exc.text, file=sys.stderr)
        return exc.status
    return 0


if __name__ == "__main__":  # as `call_helper_later` calls it
    after_loss(*sys.argv[1:])
