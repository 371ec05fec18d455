"""Write the locks from what is installed: `.venv/bin/python tools/lock.py`.

requirements.lock       every package that `dependencies` in pyproject.toml needs, with its exact version
requirements-test.lock  what the extra `test` needs beyond that
requirements-scale.lock what the extra `scale` needs beyond the first; all of it is in the second, too
requirements-classroom.lock what the extra `classroom` needs beyond the first; left as it is where that is not installed
environment.yml         the first list once more, for conda

The lists are closures over the installed packages' own requirements, so a package that happens to be installed and is
not needed stays out. Local versions (`+cpu`) are dropped: which build of torch is right differs between machines. What
only another platform needs (pywinpty, appnope, colorama) is not installed here and is left to pip.
`--check` writes nothing and fails when a file differs from what would be written.
"""

import argparse
import importlib.metadata
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEADER = ("# Written by tools/lock.py. {what}\n"
          "# To change a version: install it in .venv, run the tests, run tools/lock.py.\n")
OLDEST_PYTHON = "3.11.0"      # Debian 12 has 3.11.2, and every 3.11 is in pyproject's requires-python
CONDA = """\
# Written by tools/lock.py, with the versions of requirements.lock.
#   conda env create -f environment.yml && conda activate rlhf-course && course assets && course lab
name: rlhf-course
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python>=3.11,<3.14
  - pip
  - pip:
      - -e .
"""


def main() -> int:
    """Write the files, or compare them with `--check`; 1 when one differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    different = [name for name, text in files().items() if text != read(ROOT / name)]
    for name in different:
        if not check:
            (ROOT / name).write_text(files()[name], encoding="utf-8")
        print(f"{name}: {'differs from what is installed' if check else 'written'}")
    return int(check and bool(different))


def files() -> dict[str, str]:
    """The text of each file, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    core = closure([*project["project"]["dependencies"], *project["build-system"]["requires"]])
    test = closure(project["project"]["optional-dependencies"]["test"])
    scale = closure(project["project"]["optional-dependencies"]["scale"])
    extra, more = ({name: version for name, version in some.items() if name not in core} for some in (test, scale))
    try:
        classroom = closure(project["project"]["optional-dependencies"]["classroom"])
        for_teachers = {"requirements-classroom.lock": HEADER.format(
            what="What nbgrader and JupyterHub (`make classroom`) need beyond requirements.lock.")
            + lines({name: version for name, version in classroom.items() if name not in core})}
    except importlib.metadata.PackageNotFoundError as missing:
        print(f"requirements-classroom.lock: left as it is, since {missing.name} is not installed (make classroom)")
        for_teachers = {}
    return {
        "requirements.lock": HEADER.format(what="The course and all that it needs.") + lines(core),
        "requirements-test.lock": HEADER.format(what="What the tests need beyond requirements.lock.") + lines(extra),
        "requirements-scale.lock": HEADER.format(what="What lesson 15's scale part needs beyond requirements.lock.")
                                   + lines(more),
        "environment.yml": CONDA + lines(core, indent="      - "),
        **for_teachers,
    }


def closure(requirements: list[str]) -> dict[str, str]:
    """The installed versions of these requirements and of all that they require, by name as the package spells it."""
    found: dict[str, str] = {}
    waiting = [Requirement(text) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        package = importlib.metadata.distribution(requirement.name)
        if package.version not in requirement.specifier:
            raise SystemExit(f"{requirement} is wanted, {package.version} is installed. Install the one that fits.")
        if OLDEST_PYTHON not in SpecifierSet(package.metadata["Requires-Python"] or ""):
            raise SystemExit(f"{requirement} is installed as {package.version}, which Python {OLDEST_PYTHON} cannot "
                             "run. The course promises that one: install an earlier version of it.")
        found[package.metadata["Name"]] = package.version.split("+")[0]
        for needed in map(Requirement, package.requires or []):
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return found


def lines(versions: dict[str, str], indent: str = "") -> str:
    """`name==version`, a line each, in alphabetical order."""
    return "".join(f"{indent}{name}=={versions[name]}\n" for name in sorted(versions, key=str.lower))


def read(file: Path) -> str:
    """The file's text; empty when it does not exist."""
    return file.read_text(encoding="utf-8") if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
