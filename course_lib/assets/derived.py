"""Folders that the course makes out of fetched data, once: whole or not at all, checked, by one program at a time.

A run that is stopped at any moment leaves either the finished folder or nothing under its name; what it left half done
is cleared away by the next. Of several programs that want the same folder at once, one makes it and the others wait.
Used by lesson 10 for the pretrained model (course_lib/lm/pretrained.py).
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from course_lib.assets.fetch import alone, megabytes
from course_lib.assets.manifest import AssetError, sha256
from course_lib.paths import cache

FACTS = "made.json"                 # beside the files: the recipe, and the sha256 and size of each file

_verified: set[Path] = set()        # folders that this process has hashed already


def made_once(name: str, recipe: str, make: Callable[[Path], None], bytes_needed: int) -> Path:
    """The folder `<cache>/<name>`, made by `make(empty folder)` first if it is missing, damaged or of another recipe.

    recipe: a line that changes whenever the files would come out differently.
    bytes_needed: free disk that making it takes at its fullest.

    Raises AssetError when there is too little disk, when the disk fills up, or when the cache cannot be written. What
    `make` raises passes through, and nothing stays under the name.
    """
    folder = cache() / name
    if folder in _verified and folder.is_dir():
        return folder
    if wrong := fault(folder, recipe):
        try:
            workshop = cache() / ".making"
            workshop.mkdir(parents=True, exist_ok=True)
            with alone(workshop, doing=f"making {name}"):
                if fault(folder, recipe):          # nobody made it while this program waited
                    if folder.exists():
                        print(f"{name}: {wrong}. Making it again.")
                    _require_space(name, bytes_needed)
                    _make(folder, recipe, make, workshop)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise AssetError(f"{name}: the disk filled up while it was made. Free {megabytes(bytes_needed)}, then "
                                 "run the same cell or command again; nothing else was changed.") from error
            raise AssetError(f"{name}: the cache folder {cache()} cannot be written ({error.strerror or error}). Give "
                             "yourself the right to write there, or set COURSE_CACHE to another folder.") from error
    _verified.add(folder)
    return folder


def fault(folder: Path, recipe: str) -> str | None:
    """What is wrong with the folder, in words; None when it was made by this recipe and every file is as it was."""
    if not folder.is_dir():
        return "it is missing"
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        made_by, files = facts["recipe"], dict(facts["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"its {FACTS} cannot be read"
    if made_by != recipe:
        return "it was made in another way than this course makes it"
    for file, (size, digest) in files.items():
        path = folder / file
        if not path.is_file():
            return f"{file} is missing"
        if path.stat().st_size != size or sha256(path) != digest:
            return f"{file} was altered"
    return None


def _make(folder: Path, recipe: str, make: Callable[[Path], None], workshop: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="half-", dir=workshop) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        make(fresh)
        files = {file.name: [file.stat().st_size, sha256(file)] for file in sorted(fresh.iterdir())}
        (fresh / FACTS).write_text(json.dumps({"recipe": recipe, "files": files}, indent=1), encoding="utf-8")
        for file in fresh.iterdir():
            with file.open("rb") as stream:        # on the disk before the folder gets its name
                os.fsync(stream.fileno())
        if folder.exists():
            os.replace(folder, Path(temporary) / "old")
        os.replace(fresh, folder)


def _require_space(name: str, bytes_needed: int) -> None:
    free = shutil.disk_usage(cache()).free
    if free < bytes_needed:
        raise AssetError(f"{name} needs {megabytes(bytes_needed)} of disk in {cache()} and {megabytes(free)} are free. "
                         "Make room, or set COURSE_CACHE to a folder on another disk.")
