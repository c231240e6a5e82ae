"""Copy what a guest of KVM says on its console to the console of its machine, for ever.

Runs on a machine of the lab, with Debian's Python alone. Its argument is the instance's name.
"""

import os
import socket
import sys
import time

PATH = "/var/run/ganeti/plugins/hypervisors/kvm/{}"


def main() -> None:
    console = os.open("/dev/ttyS0", os.O_WRONLY | os.O_NOCTTY)
    while True:
        try:
            # The path may be longer than an address of a socket can be.
            os.chdir(PATH.format(sys.argv[1]))
            with socket.socket(socket.AF_UNIX) as line:
                line.connect("serial")
                while said := line.recv(4096):
                    os.write(console, said)
        except OSError:
            pass
        time.sleep(0.05)


if __name__ == "__main__":
    main()
