"""A bare Debian in a folder, for tests that start from zero: debootstrap makes it, bubblewrap runs programs in it.

    with bare_debian(folder) as debian:
        debian.run("apt-get install --yes git make python3-venv")
        debian.run("make test", user="learner", folder=debian.check_out("learner"))

It has Debian's smallest set of packages and a user `learner`, comes from the mirror that this machine's apt uses, and
is removed when the block ends, whatever happened in it. Its pip asks the same index as this machine's: pip's settings
are handed over, and what they name on this disk can be read there. Needs root, for debootstrap.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOMES = {"root": "/root", "learner": "/home/learner"}
AN_HOUR = 3600


class BareDebian:
    """The system in `root`, with this machine's network and nothing else of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.pip = root, {}
        self.shared = {path: path for path in ("/etc/resolv.conf", "/etc/hosts")}       # place here: place in there
        for name, value in pip_settings().items():
            self.pip[name] = " ".join(self.share(word) for word in value.split())
        for here, there in self.shared.items():                  # made by bwrap, these were closed to plain users
            place = root / there.lstrip("/")
            (place if Path(here).is_dir() else place.parent).mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.touch()

    def share(self, word: str) -> str:
        """A word of pip's settings; what it names on this disk is readable in there, below /mnt."""
        path = Path(word.removeprefix("file://"))
        if not path.is_absolute() or not path.exists():
            return word
        shared = path.parent if path.name == "simple" else path             # an index stands beside its packages
        self.shared[str(shared)] = f"/mnt{shared}"
        return word.replace(str(path), f"/mnt{path}")

    def start(self, line: str, user: str = "root", folder: str = "/", **options: Any) -> subprocess.Popen:
        """Run a line of bash in there, as this user. All that it starts ends with it; `options` are those of Popen."""
        given = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": HOMES[user],
                 "USER": user, "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **self.pip}
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        words = [shutil.which("bwrap"), "--bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev",
                 *(word for pair in self.shared.items() for word in ("--ro-bind", *pair)), "--unshare-pid",
                 "--die-with-parent", "--cap-add", "ALL", "--chdir", folder, *become, "bash", "-c", line]
        return subprocess.Popen(words, env=given, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, **options)

    def run(self, line: str, user: str = "root", folder: str = "/") -> str:
        """What the line says. Raises AssertionError with it when it fails."""
        with self.start(line, user, folder, stdout=subprocess.PIPE, text=True, errors="replace") as process:
            try:
                said, _ = process.communicate(timeout=AN_HOUR)
            except BaseException:
                process.kill()
                raise
        assert process.returncode == 0, f"{user}: {line}\n{said[-6000:]}"
        return said

    def check_out(self, user: str) -> str:
        """Copy this checkout's tracked files into the user's home; returns the folder, as it is called in there."""
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        there = f"{HOMES[user]}/course"
        for name in filter(None, names.split("\0")):
            copy = self.root / there.lstrip("/") / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy, follow_symlinks=False)
        self.run(f"chown -R {user}: {there}")
        return there


@contextmanager
def bare_debian(folder: Path) -> Iterator[BareDebian]:
    """Make one in `folder`, and remove it afterwards."""
    try:
        log = folder / "debootstrap.log"
        with log.open("wb") as said:                             # its mounts end with its namespace
            done = subprocess.run(["unshare", "--mount", "debootstrap", "--variant=minbase", codename(),
                                   str(folder / "root"), mirror()], stdout=said, stderr=said, timeout=AN_HOUR)
        assert done.returncode == 0, log.read_text(errors="replace")[-3000:]
        debian = BareDebian(folder / "root")
        (debian.root / "etc/apt/apt.conf.d/99network").write_text(
            subprocess.run(["apt-config", "dump", "Acquire::http"], capture_output=True, text=True, check=True).stdout)
        debian.run("useradd --create-home --shell /bin/bash learner && apt-get update")
        yield debian
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def what_is_missing() -> str:
    """Why none can be made on this machine, in a sentence; empty when nothing is missing."""
    missing = [name for name in ("debootstrap", "bwrap", "unshare", "apt-get") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} not found; on Debian: sudo apt-get install debootstrap bubblewrap"
    return "" if os.geteuid() == 0 else "debootstrap needs root, which this is not: run this test as root (sudo)"


def codename() -> str:
    """The name of this machine's Debian, for instance "trixie"."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return release["VERSION_CODENAME"].strip('"')


def mirror() -> str:
    """The address that apt has this machine's Debian from."""
    told = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)",
                           "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    sites = [line.split()[0] for line in told.splitlines() if line.split()[1:] == [codename(), "main"]]
    assert sites, f"apt knows no mirror of {codename()}:\n{told}"
    return sites[0]


def pip_settings() -> dict[str, str]:
    """This machine's settings of pip, as the environment variables that say the same."""
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    settings = dict(line.split("=", 1) for line in told.stdout.splitlines() if line)
    return {"PIP_" + name.split(".", 1)[1].upper().replace("-", "_"): ast.literal_eval(value)
            for name, value in settings.items()}
