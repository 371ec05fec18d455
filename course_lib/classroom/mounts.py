"""What every sandbox of bubblewrap sees of this machine, read-only: the system's programs, Python, chosen folders."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path


def system() -> list[str]:
    """bwrap's options for the system's programs and libraries."""
    line = ["--ro-bind", "/usr", "/usr"]
    for name in ("/bin", "/sbin", "/lib", "/lib64", "/lib32"):
        if Path(name).is_symlink():
            line += ["--symlink", os.readlink(name), name]
        elif Path(name).is_dir():
            line += ["--ro-bind", name, name]
    for path in ("/etc/ld.so.cache", "/etc/localtime"):
        line += ["--ro-bind-try", path, path]
    return line


def python() -> list[Path]:
    """The folders of this Python that lie outside of /usr."""
    return [path for path in dict.fromkeys(Path(one) for one in (sys.prefix, sys.base_prefix))
            if not path.is_relative_to("/usr")]


def read_only(folders: Iterable[Path]) -> list[str]:
    """bwrap's options for folders at their own places. Their parents are empty but for them, and open to everybody."""
    folders = list(folders)
    line = []
    for parent in dict.fromkeys(one for path in folders for one in reversed(path.parents)
                                if str(one) not in ("/", "/tmp")):
        line += ["--perms", "0755", "--dir", str(parent)]
    for path in folders:
        line += ["--ro-bind-try", str(path), str(path)]
    return line
