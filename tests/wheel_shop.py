"""Assets of our own for tests: a checkout whose two assets come from one tiny wheel, which the real pip finds.

`use_sdist` puts a source distribution in the wheel's place; its set-up leaves a file `ran` beside the index.
"""

import hashlib
import json
import os
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from course_lib.assets import fetch

WHEEL = "tiny_ratings-1.0-py3-none-any.whl"
SDIST = "tiny_ratings-1.0.tar.gz"
FILES = {"tiny_ratings/data/ratings.txt": b"1\t0.5\tgood\n2\t-1.0\tbad\n",
         "tiny_ratings/data/words.txt": b"good\nbad\n"}


def write_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    """A wheel that pip accepts, with these files and one that no asset asks for."""
    info = "tiny_ratings-1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        for name, content in {**files, "tiny_ratings/unwanted.py": b"heavy = True\n"}.items():
            wheel.writestr(zipfile.ZipInfo(name), content)
        for name, text in {"METADATA": "Metadata-Version: 2.1\nName: tiny-ratings\nVersion: 1.0\n",
                           "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                           "RECORD": ""}.items():
            wheel.writestr(zipfile.ZipInfo(f"{info}/{name}"), text)
    return folder / WHEEL


def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two assets from one wheel, an empty cache, and a pip that sees the folder `index` only; all in `tmp_path`."""
    index, checkout = tmp_path / "index", tmp_path / "checkout"
    for folder in (index, checkout / "assets", checkout / "notebooks"):
        folder.mkdir(parents=True)
    for name in ("00_start_here", "03_bradley_terry", "08_tiny_gpt"):
        (checkout / "notebooks" / f"{name}.ipynb").write_text("{}")
    archive = write_wheel(index, FILES).read_bytes()

    def row(name: str, lessons: list[str], paths: list[str]) -> dict:
        members = [{"archive_path": path, "file": Path(path).name, "bytes": len(FILES[path]),
                    "sha256": hashlib.sha256(FILES[path]).hexdigest()} for path in paths]
        return {"name": name, "what": "Small.", "lessons": lessons, "package": "tiny-ratings", "version": "1.0",
                "archive": WHEEL, "archive_sha256": hashlib.sha256(archive).hexdigest(), "archive_bytes": len(archive),
                "licence": "MIT", "credit": "The tests.", "members": members}

    rows = [row("ratings", ["03"], list(FILES)), row("words", ["08"], list(FILES)[1:])]
    (checkout / "assets" / "manifest.json").write_text(json.dumps({"assets": rows}))
    settings = {"COURSE_ROOT": checkout, "COURSE_CACHE": tmp_path / "cache", "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": index, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(fetch, "_verified", set())
    return tmp_path


def write_sdist(folder: Path, files: dict[str, bytes]) -> Path:
    """A source distribution that pip accepts, with these files."""
    setup = (f"import pathlib, setuptools\npathlib.Path({str(folder.parent / 'ran')!r}).touch()\n"
             "setuptools.setup(name='tiny-ratings', version='1.0', packages=[])\n")
    info = b"Metadata-Version: 2.1\nName: tiny-ratings\nVersion: 1.0\n"
    with tarfile.open(folder / SDIST, "w:gz") as archive:
        for name, content in {**files, "setup.py": setup.encode(), "PKG-INFO": info}.items():
            entry = tarfile.TarInfo(f"tiny_ratings-1.0/{name}")
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
    return folder / SDIST


def use_sdist(shop: Path, prefix: str = "tiny_ratings-1.0/") -> None:
    """From here on the assets of the shop come from a source distribution. prefix: of its members in the manifest."""
    (shop / "index" / WHEEL).unlink()
    content = write_sdist(shop / "index", FILES).read_bytes()
    file = shop / "checkout" / "assets" / "manifest.json"
    rows = json.loads(file.read_text())["assets"]
    for row in rows:
        row |= {"archive": SDIST, "archive_sha256": hashlib.sha256(content).hexdigest(), "archive_bytes": len(content)}
        row["members"] = [{**member, "archive_path": prefix + member["archive_path"]} for member in row["members"]]
    file.write_text(json.dumps({"assets": rows}))
