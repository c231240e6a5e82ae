"""A stand-in for Ceph's program rbd: its cluster is a folder, its images are sparse files.

Each node's kernel has its devices in ``dev`` below the node's root: links to the images' files. It
prints what rbd prints, with the same exit statuses. The file ``busy`` of the cluster's folder has
the devices that somebody uses, a line each. It is called often, and so imports what is built in
alone (see `stand_in`): what it prints are texts and numbers, without quotes in them.
"""

import marshal
import posix
import sys

MIB = 1 << 20
VALUES_ALONE = 2
"""A version of marshal: what later ones write of equal data is not always the same."""
OBJECT = 4
MOST_OBJECTS = 256_000_000
"""An image with an object map, as new ones have, is no larger."""


class Refused(Exception):
    """What rbd prints on standard error, and its exit status."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class World:
    """Ceph's cluster, locked; what is changed is kept."""

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

    @classmethod
    def make(cls, folder):
        """Pools ``rbd`` and ``vms``; the user ``vms`` may use that alone, the admin both."""
        posix.mkdir(folder)
        with open(f"{folder}/state", "wb") as file:
            marshal.dump({"pools": {"rbd": {}, "vms": {}}, "mapped": {},
                          "users": {"admin": ["rbd", "vms"], "vms": ["vms"]}}, file)
        return cls(folder)

    def is_busy(self, device):
        try:
            with open(f"{self.folder}/busy") as file:
                return device in file.read().split()
        except FileNotFoundError:
            return False

    def path(self, pool, name, snap=""):
        return f"{self.folder}/{pool}.{name}" + (f"@{snap}" if snap else "")


class Call:
    """One call on the node below `root`."""

    def __init__(self, world, root, options):
        self.world, self.root, self.options = world, root, options
        self.state = world.state

    def pool(self, name):
        if name not in self.state["pools"]:
            raise Refused(2, f"rbd: error opening pool '{name}': (2) No such file or directory")
        if name not in self.state["users"].get(self.options.get("--id", "admin"), ()):
            raise Refused(1, f"rbd: error opening pool '{name}': (1) Operation not permitted")
        return self.state["pools"][name]

    def image(self, spec):
        pool, _, rest = spec.partition("/")
        name, _, snap = rest.partition("@")
        images = self.pool(pool)
        if name not in images:
            raise Refused(
                2, f"rbd: error opening image {name}: (2) No such file or directory")
        return pool, name, snap, images[name]

    def ls(self, pool):
        return sorted(self.pool(pool))

    def info(self, spec):
        _, name, _, image = self.image(spec)
        return {"name": name, "id": "5e3f2ae8944a", "size": image["size"] * MIB,
                "objects": -(-image["size"] // OBJECT), "order": 22, "object_size": OBJECT * MIB,
                "block_name_prefix": "rbd_data.5e3f2ae8944a", "format": 2,
                "features": ["layering", "exclusive-lock", "object-map", "fast-diff",
                             "deep-flatten"], "op_features": [], "flags": []}

    def checked_size(self, what):
        size = int(self.options["--size"])
        if size > MOST_OBJECTS * OBJECT:
            raise Refused(22, f"rbd: {what} error: (22) Invalid argument")
        return size

    def create(self, spec):
        pool, _, name = spec.partition("/")
        size = self.checked_size("create")
        if name in self.pool(pool):
            raise Refused(17, "rbd: create error: (17) File exists")
        with open(self.world.path(pool, name), "wb") as file:
            file.truncate(size * MIB)
        self.pool(pool)[name] = {"size": size, "snaps": {}}

    def resize(self, spec):
        pool, name, _, image = self.image(spec)
        image["size"] = self.checked_size("resize")
        posix.truncate(self.world.path(pool, name), image["size"] * MIB)

    def rm(self, spec):
        pool, name, _, image = self.image(spec)
        if image["snaps"]:
            raise Refused(39, "rbd: image has snapshots - these must be deleted with 'rbd snap"
                              " purge' before the image can be removed.")
        for devices in self.state["mapped"].values():
            if any((one["pool"], one["name"]) == (pool, name) for one in devices.values()):
                raise Refused(16, "rbd: error: image still has watchers")
        del self.state["pools"][pool][name]
        posix.unlink(self.world.path(pool, name))

    def snap_ls(self, spec):
        return [{"id": at, "name": name, "size": size * MIB, "protected": "false",
                 "timestamp": "Sun Nov  1 12:00:00 2026"}
                for at, (name, size) in enumerate(self.image(spec)[3]["snaps"].items(), 4)]

    def snap_create(self, spec):
        pool, name, snap, image = self.image(spec)
        if snap in image["snaps"]:
            raise Refused(17, "rbd: failed to create snapshot: (17) File exists")
        with (open(self.world.path(pool, name), "rb") as old,
              open(self.world.path(pool, name, snap), "wb") as new):
            new.write(old.read())
        image["snaps"][snap] = image["size"]

    def snap_rm(self, spec):
        pool, name, snap, image = self.image(spec)
        if image["snaps"].pop(snap, None) is None:
            raise Refused(2, f"rbd: failed to remove snapshot '{snap}': (2) No such file or"
                             " directory")
        posix.unlink(self.world.path(pool, name, snap))

    def snap_purge(self, spec):
        for snap in list(self.image(spec)[3]["snaps"]):
            self.snap_rm(f"{spec}@{snap}")

    def devices(self):
        return self.state["mapped"].setdefault(self.root, {})

    def showmapped(self):
        return [{"id": number, **one} for number, one in self.devices().items()]

    def map(self, spec):
        pool, name, snap, _ = self.image(spec)
        number = next(str(one) for one in range(99) if str(one) not in self.devices())
        device = f"{self.root}/dev/rbd{number}"
        posix.symlink(self.world.path(pool, name, snap), device)
        self.devices()[number] = {"pool": pool, "namespace": "", "name": name,
                                  "snap": snap or "-", "device": device}
        print(device)

    def unmap(self, device):
        if self.world.is_busy(device):
            raise Refused(16, "rbd: sysfs write failed\nrbd: unmap failed: (16) Device or resource"
                              " busy")
        for number, one in list(self.devices().items()):
            if one["device"] == device:
                del self.devices()[number]
                posix.unlink(device)
                return
        raise Refused(22, f"rbd: '{device}' is not a block device\nrbd: unmap failed: (22) Invalid"
                          " argument")


REPORTS = ("ls", "info", "snap_ls", "showmapped")
VALUED = ("--id", "--size", "--format")


def main():
    folder, root, *left = sys.argv[1:]
    options, words = {}, []
    while left:
        word = left.pop(0)
        if word in VALUED:
            options[word] = left.pop(0)
        elif word == "--no-progress":
            options[word] = ""
        else:
            words.append(word)
    verb = "_".join(words[:2]) if words[0] == "snap" else words[0]
    arguments = words[2:] if words[0] == "snap" else words[1:]
    with World(folder) as world:
        call = Call(world, root, options)
        try:
            found = getattr(call, verb)(*arguments)
        except Refused as exc:
            print(exc, file=sys.stderr)
            return exc.status
        if verb in REPORTS:
            assert options["--format"] == "json"
            print(str(found).replace("'", '"'))
    return 0
