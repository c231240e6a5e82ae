"""``make client``: build a wheel of the Python client alone, ``build/ganeti_rapi_client-*.whl``.

The wheel has one module, ``ganeti_rapi_client``, which needs nothing but Python: for programs on
hosts that are no part of a cluster.
"""

from __future__ import annotations

import argparse
import base64
import configparser
import hashlib
import zipfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
NAME = "ganeti_rapi_client"
SOURCE = TOP / "ganeti_core/rapi/client.py"
BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The time of each file: the same sources make the same wheel."""


def metadata() -> tuple[str, str]:
    """Return the project's version, and what an installer wants to know."""
    config = configparser.ConfigParser()
    config.read(TOP / "setup.cfg")
    version, python = config["metadata"]["version"], config["options"]["python_requires"]
    return version, "\n".join((
        "Metadata-Version: 2.1", "Name: ganeti-rapi-client", f"Version: {version}",
        "Summary: A client of the remote API of Ganeti clusters, in one file",
        f"Requires-Python: {python}", ""))


def build(folder: Path) -> Path:
    """Write the wheel into a folder; return its path."""
    version, described = metadata()
    about = f"{NAME}-{version}.dist-info"
    files = {
        f"{NAME}.py": SOURCE.read_bytes(),
        f"{about}/METADATA": described.encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: build_client.py\n"
                          b"Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n"
                     for name, content in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{NAME}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, BEGINNING), content)
    return wheel


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=TOP / "build")
    print(build(parser.parse_args().folder))


if __name__ == "__main__":
    main()
