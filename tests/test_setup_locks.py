"""The locks hold exactly what pyproject.toml asks for, for every supported Python, and conda gets the same versions."""

import functools
import importlib.metadata
import importlib.util
import tomllib

import pytest
import yaml
from conftest import skip_unless_ci
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course_lib.paths import root

PROJECT = tomllib.loads((root() / "pyproject.toml").read_text(encoding="utf-8"))
OTHER_PLATFORMS = {"appnope", "colorama", "pywinpty"}      # left to pip where they are needed
SYSTEMS = {
    "Linux": {"platform_system": "Linux", "sys_platform": "linux", "os_name": "posix", "platform_machine": "x86_64"},
    "macOS": {"platform_system": "Darwin", "sys_platform": "darwin", "os_name": "posix", "platform_machine": "arm64"},
    "Windows": {"platform_system": "Windows", "sys_platform": "win32", "os_name": "nt", "platform_machine": "AMD64"},
}


def pins(name: str) -> dict[str, str]:
    """The versions in a lock, by normal name; fails on a line that is not an exact pin."""
    found = {}
    for line in (root() / name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            package, equals, version = line.partition("==")
            assert equals and package and version, f"{name}: {line!r} is not an exact pin"
            found[canonicalize_name(package)] = version
    return found


@functools.cache
def needs(name: str) -> list[Requirement]:
    """What an installed package asks for."""
    return [Requirement(text) for text in importlib.metadata.requires(name) or []]


CORE, TEST = pins("requirements.lock"), pins("requirements-test.lock")
SCALE, CLASSROOM = pins("requirements-scale.lock"), pins("requirements-classroom.lock")


@pytest.mark.parametrize(("asked", "locked"), [
    (PROJECT["project"]["dependencies"], CORE),
    (PROJECT["build-system"]["requires"], CORE),
    (PROJECT["project"]["optional-dependencies"]["test"], {**CORE, **TEST}),
    (PROJECT["project"]["optional-dependencies"]["scale"], {**CORE, **SCALE}),
    (PROJECT["project"]["optional-dependencies"]["classroom"], {**CORE, **CLASSROOM}),
], ids=["dependencies", "build", "test", "scale", "classroom"])
def test_every_dependency_is_locked_at_a_version_that_fits(asked, locked):
    for requirement in map(Requirement, asked):
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("locked", [CORE, {**CORE, **TEST}, {**CORE, **SCALE}],
                         ids=["core", "core and test", "core and scale"])
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_what_a_locked_package_needs_is_locked_too(locked, system, python):
    there = {**SYSTEMS[system], "python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    for name in locked:
        for requirement in needs(name):
            needed = canonicalize_name(requirement.name)
            if needed not in OTHER_PLATFORMS and (requirement.marker is None or requirement.marker.evaluate(there)):
                assert locked[needed] in requirement.specifier, f"{name} needs {requirement}"


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_what_nbgrader_and_jupyterhub_need_is_locked_too(python):
    if importlib.util.find_spec("nbgrader") is None:
        skip_unless_ci("nbgrader is not installed: `make classroom` installs it")
    test_what_a_locked_package_needs_is_locked_too({**CORE, **CLASSROOM}, "Linux", python)


def test_no_package_is_in_both_locks():
    assert not any(CORE.keys() & further.keys() for further in (TEST, SCALE, CLASSROOM))


def test_one_environment_can_have_the_tests_and_the_classroom():
    assert {name: version for name, version in CLASSROOM.items() if TEST.get(name, version) != version} == {}


def test_the_scale_part_is_tested_with_the_versions_that_learners_get():
    assert SCALE.items() <= TEST.items()


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0"])
def test_every_supported_python_can_run_the_locked_versions(python):
    assert python in SpecifierSet(PROJECT["project"]["requires-python"])
    refusing = {}
    for name, version in {**CORE, **TEST}.items():
        package = importlib.metadata.metadata(name)
        if package["Version"] == version and python not in SpecifierSet(package["Requires-Python"] or ""):
            refusing[name] = package["Requires-Python"]
    assert refusing == {}


def test_no_build_of_torch_is_prescribed():
    assert "+" not in "".join([*CORE.values(), *TEST.values()])
    assert not any(name.startswith(("nvidia", "triton", "cuda")) for name in CORE)


def test_conda_gets_the_same_versions():
    environment = yaml.safe_load((root() / "environment.yml").read_text(encoding="utf-8"))
    python, pip, section = environment["dependencies"]
    assert python == f"python{PROJECT['project']['requires-python']}" and pip == "pip"
    assert section["pip"][0] == "-e ."
    versions = dict(line.split("==") for line in section["pip"][1:])
    assert {canonicalize_name(name): version for name, version in versions.items()} == CORE
