"""``make deb``: build the Debian package, ``build/ganeti-core_VERSION_ARCHITECTURE.deb``.

The package has a virtual environment below ``/usr/lib/ganeti-core`` with all libraries in it, so
that installing it needs no package index, and no other package's Python libraries can be in the
way. It is made for the Python of the system that it is built on, ``/usr/bin/python3``.

Building needs an index (or ``PIP_FIND_LINKS``) for the libraries, and the Debian packages
``python3-venv``, ``dpkg-dev`` and ``go-md2man``.
"""

from __future__ import annotations

import argparse
import configparser
import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
PYTHON = Path("/usr/bin/python3")
HOME = Path("usr/lib/ganeti-core")
EXTRAS = "placement,compression,metadata"
TOOLS = {"dpkg-deb": "dpkg", "dpkg-architecture": "dpkg-dev", "go-md2man": "go-md2man"}
"""Programs that the build needs, and the packages that they are in."""
COMPLETIONS = {"bash": "usr/share/bash-completion/completions",
               "fish": "usr/share/fish/vendor_completions.d",
               "zsh": "usr/share/zsh/vendor-completions"}
"""Where Debian's shells look; beside Python's libraries they would not."""
_GENERATED = re.compile(r"<!-- Below this line .*?-->\n", re.DOTALL)


def run(*words: str | Path, text: str = "") -> str:
    """Run a program; return what it prints.

    :raises subprocess.CalledProcessError: it failed
    """
    return subprocess.run(list(map(str, words)), input=text, capture_output=True, text=True,
                          check=True).stdout


def version() -> str:
    """The project's version."""
    config = configparser.ConfigParser()
    config.read(TOP / "setup.cfg")
    return config["metadata"]["version"]


def python_versions() -> tuple[str, str]:
    """The minor version of Debian's Python, and the next one, for which this is not built."""
    major, minor = map(int, run(
        PYTHON, "-c", "import sys; print(*sys.version_info[:2])").split())
    return f"{major}.{minor}", f"{major}.{minor + 1}"


def make_environment(root: Path, wheels: Path) -> None:
    """Fill ``usr/lib/ganeti-core`` with the project and its libraries, and ``usr/sbin``."""
    home = root / HOME
    run(PYTHON, "-m", "venv", home)
    pip = [home / "bin/python", "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
    run(*pip, "wheel", "--wheel-dir", wheels, f"{TOP}[{EXTRAS}]")
    run(*pip, "install", "--no-index", "--find-links", wheels, "--no-compile",
        f"ganeti-core[{EXTRAS}]")
    run(*pip, "uninstall", "--yes", "pip", "setuptools")
    for shell in ("bash-completion", "fish", "zsh"):
        shutil.rmtree(home / "share" / shell)
    for name in ("Activate.ps1", "activate", "activate.csh", "activate.fish"):
        (home / "bin" / name).unlink(missing_ok=True)
    for script in (home / "bin").iterdir():
        if not script.is_symlink() and script.read_bytes().startswith(b"#!"):
            script.write_text(script.read_text().replace(f"#!{home}", f"#!/{HOME}", 1))
    (home / "pyvenv.cfg").write_text(re.sub(
        r"(?m)^command = .*\n", "", (home / "pyvenv.cfg").read_text()))
    run(home / "bin/python", "-m", "compileall", "-q", "-s", root, "-p", "/",
        "--invalidation-mode", "unchecked-hash", home / "lib")
    sbin = root / "usr/sbin"
    sbin.mkdir(parents=True)
    for name in programs():
        (sbin / name).symlink_to(Path("..") / HOME.relative_to("usr") / "bin" / name)


def programs() -> list[str]:
    """The commands for administrators; a virtual cluster is for developers."""
    config = configparser.ConfigParser()
    config.read(TOP / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].strip().splitlines()
    return [name for name in (line.partition("=")[0].strip() for line in lines)
            if name != "gnt-vcluster"]


def manual_page(page: Path) -> bytes:
    """Make a manual page of a page of the documentation."""
    title, _, text = page.read_text().partition("\n")
    name, _, purpose = title.removeprefix("# ").partition(": ")
    head = (f"% {name}(8) | Ganeti\n% \n% \n\n# NAME\n\n{name} - {purpose}\n\n# DESCRIPTION\n")
    body = re.sub(r"\]\([^)]*\)", "]", _GENERATED.sub("", text))
    return run("go-md2man", text=head + body).encode()


def add_files(root: Path) -> None:
    """Add what is no Python: units, manual pages, settings, documentation."""
    pages = root / "usr/share/man/man8"
    pages.mkdir(parents=True)
    for name in programs():
        (pages / f"{name}.8.gz").write_bytes(
            gzip.compress(manual_page(TOP / f"docs/man/{name}.md"), mtime=0))
    place = {
        "lib/systemd/system": sorted((HERE / "systemd").iterdir()),
        "usr/share/doc/ganeti-core": [TOP / "README.md", TOP / "CHANGELOG.md"],
        **{folder: sorted((HERE / "completions" / shell).iterdir())
           for shell, folder in COMPLETIONS.items()},
    }
    for folder, files in place.items():
        (root / folder).mkdir(parents=True)
        for file in files:
            shutil.copy(file, root / folder)
    for file, where in ((TOP / "LICENSE", "usr/share/doc/ganeti-core/copyright"),
                        (TOP / "ganeti_core/rapi/client.py",
                         "usr/lib/python3/dist-packages/ganeti_rapi_client.py"),
                        (HERE / "debian/ganeti.default", "etc/default/ganeti"),
                        (HERE / "debian/sysusers.conf", "usr/lib/sysusers.d/ganeti-core.conf"),
                        (HERE / "debian/tmpfiles.conf", "usr/lib/tmpfiles.d/ganeti-core.conf"),
                        (TOP / "ganeti_core/daemons/ganeti.logrotate", "etc/logrotate.d/ganeti")):
        (root / where).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / where)


def add_control(root: Path) -> str:
    """Add the package's own description and scripts; return its file name."""
    control = root / "DEBIAN"
    control.mkdir()
    python, following = python_versions()
    size = sum(file.lstat().st_size for file in root.rglob("*") if not file.is_dir()) // 1024
    values = {"VERSION": f"{version()}-1", "PYTHON": python, "NEXT_PYTHON": following,
              "SIZE": str(size),
              "ARCHITECTURE": run("dpkg-architecture", "-qDEB_HOST_ARCH").strip()}
    text = (HERE / "debian/control.in").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    (control / "control").write_text(text)
    (control / "conffiles").write_text("/etc/default/ganeti\n/etc/logrotate.d/ganeti\n")
    for name in ("postinst", "prerm", "postrm"):
        shutil.copy(HERE / "debian" / name, control / name)
        (control / name).chmod(0o755)
    return f"ganeti-core_{values['VERSION']}_{values['ARCHITECTURE']}.deb"


def set_modes(root: Path) -> None:
    """Give folders and files the modes that packages have, whatever this user's umask is."""
    root.chmod(0o755)
    for file in root.rglob("*"):
        if not file.is_symlink():
            executable = file.is_dir() or file.stat().st_mode & 0o100
            file.chmod(0o755 if executable else 0o644)


def build(folder: Path) -> Path:
    """Build the package in `folder`; return its file.

    :raises subprocess.CalledProcessError: a step failed
    """
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    make_environment(root, folder / "wheels")
    add_files(root)
    package = folder / add_control(root)
    set_modes(root)
    run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, package)
    shutil.rmtree(root)
    return package


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=TOP / "build", help="where to build")
    options = parser.parse_args()
    missing = [package for program, package in TOOLS.items() if shutil.which(program) is None]
    if missing or not PYTHON.exists():
        print(f"Missing: apt-get install {' '.join(missing or ['python3-venv'])}", file=sys.stderr)
        return 1
    try:
        print(build(options.folder.resolve()))
    except subprocess.CalledProcessError as exc:
        print(f"{' '.join(map(str, exc.cmd[:6]))} failed:\n{exc.stdout}{exc.stderr}",
              file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
