"""A stand-in for Open vSwitch's program ovs-vsctl: a file has the ports of its one bridge.

It is called often, and so imports what is built in alone; see `stand_in`.
"""

import marshal
import sys


def read(path):
    """Return the settings of each port."""
    try:
        with open(path, "rb") as file:
            return marshal.load(file)  # noqa: S302  # its own file
    except FileNotFoundError:
        return {}


def main():
    path, *given = sys.argv[1:]
    known = read(path)
    for words in " ".join(given).split(" -- "):
        match words.split():
            case ["list-br"]:
                print("ovs0")
            case ["--version"]:
                print("ovs-vsctl (Open vSwitch) 3.1")
            case ["--if-exists", "del-port", port]:
                known.pop(port, None)
            case ["add-port", "ovs0", port, *settings]:
                known[port] = sorted(settings)
            case _:
                sys.exit(f"ovs-vsctl: no such bridge or command: {words}")
    if "list-br" not in given and "--version" not in given:
        with open(path, "wb") as file:
            marshal.dump(known, file)
    return 0
