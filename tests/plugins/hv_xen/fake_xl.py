"""A stand-in for Xen's program xl: domains are entries of a file, one file for each node.

It prints what xl 4.17 was seen to print, and speaks its protocol of migrations. A node is known by
the folder that it is called in. A domain with ``deaf`` among its kernel's arguments ignores a
shutdown; one with ``alone`` there has no xl that makes it anew. It is called often, and so imports
what is built in alone; see `stand_in`.
"""

import marshal
import posix
import sys
import time

BANNER = b"xl migration receiver ready, send binary domain data.\n"
READY = b"domain received, ready to unpause\0"
GO = b"domain is yours, you are cleared to unpause\0"
REPORT = b"my copy unpause results are as follows\0"
CHUNK, CHUNKS = 1 << 16, 8
VALUES_ALONE = 2
"""A version of marshal: what later ones write of equal data is not always the same."""
INFO = """host                   : {host}
release                : 6.1.0-18-amd64
version                : #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)
machine                : x86_64
nr_cpus                : 4
max_cpu_id             : 3
nr_nodes               : 1
cores_per_socket       : 2
threads_per_core       : 1
cpu_mhz                : 2800.000
virt_caps              : pv shadow
total_memory           : 4096
free_memory            : {free}
xen_major              : 4
xen_minor              : 17
xen_extra              : .3
"""


class Host:
    """The domains of the node, locked; what is changed is kept."""

    def __enter__(self):
        self.path = posix.getcwd().split("/var/run/ganeti")[0] + ".xen"
        self.lock = open(self.path + ".lock", "wb")
        posix.lockf(self.lock.fileno(), posix.F_LOCK, 0)
        try:
            with open(self.path, "rb") as file:
                self.known = file.read()
            self.data = marshal.loads(self.known)  # noqa: S302  # its own file
        except FileNotFoundError:
            self.known = b""
            self.data = {"next": 1, "domains": {}}
        return self

    def __exit__(self, *_):
        if (data := marshal.dumps(self.data, VALUES_ALONE)) != self.known:
            with open(self.path + ".new", "wb") as file:
                file.write(data)
            posix.replace(self.path + ".new", self.path)
        self.lock.close()

    def find(self, name):
        if name not in self.data["domains"]:
            fail(f"{name} is an invalid domain identifier (rc=-6)")
        return self.data["domains"][name]

    def add(self, name, config, flags):
        if name in self.data["domains"]:
            fail(f'Domain with name "{name}" already exists.')
        self.data["domains"][name] = {
            "id": self.data["next"], "config": config, "flags": flags, "since": time.time(),
            "memory": int(config["memory"]), "vcpus": int(config["vcpus"])}
        self.data["next"] += 1

    def rename(self, name, to):
        self.data["domains"][to] = self.data["domains"].pop(name)


def fail(text):
    sys.exit(text)


def read_config(path):
    with open(path) as file:
        pairs = [line.rstrip("\n").partition(" = ") for line in file]
    return {name: value.strip('"') for name, _, value in pairs}


def create(words):
    config = read_config(words[-1])
    if kernel := config.get("kernel"):
        open(kernel).close()
    with Host() as host:
        host.add(config["name"], config, "--p---" if "-p" in words else "-b----")
    sys.stderr.write(f"Parsing config from {words[-1]}\n")


def show_list(words):
    verbose, wanted = "-v" in words, words[-1] if words and words[-1] != "-v" else None
    print("Name                                        ID   Mem VCPUs\tState\tTime(s)"
          + "   UUID                            Reason-Code\tSecurity Label" * verbose)
    print(f"{'Domain-0':40} {0:5d} {640:5d} {1:5d}     {'r-----'}  {12.3:8.1f}"
          + f" {'0' * 8}-0000-0000-0000-{'0' * 12} {'-':>8} {'-':>16}" * verbose)
    with Host() as host:
        for name, one in host.data["domains"].items():
            if wanted not in (None, name):
                continue
            print(f"{name:40} {one['id']:5d} {one['memory']:5d} {one['vcpus']:5d}     "
                  f"{one['flags']}  {time.time() - one['since']:8.1f}"
                  + f" {one['config']['uuid']} {one.get('reason', '-'):>8} {'-':>16}" * verbose)


def show_info(_):
    with Host() as host:
        used = sum(one["memory"] for one in host.data["domains"].values())
    print(INFO.format(host="node", free=4096 - 640 - used), end="")


def destroy(words):
    with Host() as host:
        host.find(words[0])
        del host.data["domains"][words[0]]


def shutdown(words):
    with Host() as host:
        one = host.find(words[-1])
        if "deaf" not in one["config"].get("extra", ""):
            one.update(flags="---s--", reason="0")


def reboot(words):
    with Host() as host:
        one = host.find(words[-1])
        if one["config"]["on_reboot"] == "destroy":
            del host.data["domains"][words[-1]]
            return
        if "alone" in one["config"].get("extra", ""):
            one.update(flags="---sr-", reason="1")
            return
        one.update(id=host.data["next"], flags="-b----", memory=int(one["config"]["memory"]))
        host.data["next"] += 1


def set_flags(flags, reason="-"):
    def change(words):
        with Host() as host:
            host.find(words[-1]).update(flags=flags, reason=reason)

    return change


def mem_set(words):
    with Host() as host:
        one = host.find(words[0])
        assert words[1].endswith("m"), "without a unit it would be KiB"
        if int(words[1][:-1]) > int(one["config"]["maxmem"]):
            fail("memory_dynamic_max must be less than or equal to memory_static_max")
        one["memory"] = int(words[1][:-1])


def rename(words):
    with Host() as host:
        host.find(words[0])
        host.rename(*words)


class Child:
    """The command that passes a domain on, as ``subprocess.Popen`` has it, which takes as long to
    import as all the rest of a call.
    """

    def __init__(self, rune):
        (read, stdin), (stdout, write) = posix.pipe(), posix.pipe()
        posix.posix_spawn("/bin/sh", ["sh", "-c", rune], posix.environ, file_actions=[
            (posix.POSIX_SPAWN_DUP2, read, 0), (posix.POSIX_SPAWN_DUP2, write, 1)])
        posix.close(read)
        posix.close(write)
        self.stdin = open(stdin, "wb")  # noqa: SIM115  # as long as the process is there
        self.stdout = open(stdout, "rb")  # noqa: SIM115  # the same


def migrate(words):
    name, rune = words[-2:]
    assert words[words.index("-s") + 1] == "", "the command itself is run"
    with Host() as host:
        host.find(name)
    config = read_config(words[words.index("-C") + 1])
    child = Child(rune)
    try:
        if child.stdout.read(len(BANNER)) != BANNER:
            raise OSError("migration receiver stream contained unexpected data instead of banner")
        head = marshal.dumps(config)
        child.stdin.write(len(head).to_bytes(8, "big") + head)
        for _ in range(CHUNKS):
            child.stdin.write(bytes(CHUNK))
            child.stdin.flush()
            time.sleep(0.005)
        set_flags("---ss-", "2")([name])
        if child.stdout.read(len(READY)) != READY:
            raise OSError("no ready message")
    except OSError as exc:
        set_flags("-b----")([name])
        fail(f"{exc}\nMigration failed, resuming at sender.")
    finish_sender(name, child)


def finish_sender(name, child):
    away = f"{name}--migratedaway"
    with Host() as host:
        host.rename(name, away)
    sys.stderr.write("migration sender: Giving target permission to start.\n")
    child.stdin.write(GO)
    child.stdin.flush()
    told = child.stdout.read(len(REPORT) + 1)
    if told == REPORT + b"\0":
        destroy([away])
        sys.stderr.write("Migration successful.\n")
    elif told[:-1] == REPORT and child.stdout.read(len(GO)) == GO:
        with Host() as host:
            host.rename(away, name)
        set_flags("-b----")([name])
        fail("Migration failed due to problems at target.")
    else:
        fail("** Migration failed during final handshake **\nDomain state is now undefined !")


def migrate_receive(_):
    data, out = sys.stdin.buffer, sys.stdout.buffer

    def say(text):
        out.write(text)
        out.flush()

    say(BANNER)
    length = data.read(8)
    head = data.read(int.from_bytes(length, "big"))
    rest = data.read(CHUNK * CHUNKS)
    if len(rest) != CHUNK * CHUNKS:
        fail("migration target: Domain creation failed (code -3).")
    config = marshal.loads(head)  # noqa: S302  # from another one of these
    incoming = f"{config['name']}--incoming"
    with Host() as host:
        host.add(incoming, config, "--p---")
    say(READY)
    if data.read(len(GO)) != GO:
        fail("migration target: Failure")
    with Host() as host:
        host.rename(incoming, config["name"])
    set_flags("-b----")([config["name"]])
    say(REPORT + b"\0")


COMMANDS = {
    "create": create, "list": show_list, "info": show_info, "destroy": destroy,
    "shutdown": shutdown, "reboot": reboot, "pause": set_flags("--p---"),
    "unpause": set_flags("-b----"), "console": lambda words: print("on the console of", *words),
    "suspended": set_flags("---ss-", "2"), "mem-set": mem_set,
    "rename": rename, "migrate": migrate, "migrate-receive": migrate_receive}


def main():
    COMMANDS[sys.argv[1]](sys.argv[2:])
    return 0
