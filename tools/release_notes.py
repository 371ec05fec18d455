"""The notes of a release, from CHANGELOG.md: `.venv/bin/python tools/release_notes.py v1.0.0`

Prints the section of that version, without its heading, for the text of a tag or a release page. Without an argument:
of the version in pyproject.toml.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


def main(words: list[str] | None = None) -> int:
    """Print the notes; 1 when the changelog has no such version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tag", nargs="?", help="v1.0.0 or 1.0.0 (default: the version in pyproject.toml)")
    wanted = (parser.parse_args(words).tag or version()).removeprefix("v")
    sections = by_version((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    if wanted not in sections:
        print(f"CHANGELOG.md has no section [{wanted}]. It has: {', '.join(sections)}.", file=sys.stderr)
        return 1
    if not sections[wanted]:
        print(f"The section [{wanted}] of CHANGELOG.md is empty.", file=sys.stderr)
        return 1
    print(sections[wanted])
    return 0


def version() -> str:
    """The version of the course, from its one source."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def by_version(changelog: str) -> dict[str, str]:
    """Text of each section, in the order of the file: "Unreleased" first."""
    found = list(HEADING.finditer(changelog))
    ends = [heading.start() for heading in found[1:]] + [len(changelog)]
    return {heading[1]: changelog[heading.end():end].strip() for heading, end in zip(found, ends, strict=True)}


if __name__ == "__main__":
    sys.exit(main())
