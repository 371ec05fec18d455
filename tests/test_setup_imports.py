"""Every package that a file imports is declared in pyproject.toml, not only brought along by some other package."""

import ast
import functools
import importlib.metadata
import sys
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_lib.paths import root

PROJECT = tomllib.loads((root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COURSE = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
TESTS = {canonicalize_name(Requirement(text).name) for text in PROJECT["optional-dependencies"]["test"]}
CLASSROOM = {Requirement(text).name for text in PROJECT["optional-dependencies"]["classroom"]}
SCALE = {Requirement(text).name for text in PROJECT["optional-dependencies"]["scale"]}
DISTRIBUTIONS = importlib.metadata.packages_distributions()


def imported(source):
    """The top-level names that this code imports, at its head or within functions.

    What stands in a `try` that catches ImportError may be missing, so it need not be declared.
    """
    names, nodes = set(), [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
        inside = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Try) and any(getattr(handler.type, "id", "") == "ImportError"
                                             for handler in node.handlers):
            inside = [child for child in inside if child not in node.body]
        nodes += inside
    return names


@functools.cache
def imported_by(path):
    """The top-level names that a file imports."""
    return imported(path.read_text(encoding="utf-8"))


def undeclared(declared, *folders):
    """The imports of these folders that no declared distribution provides, each with the files that import it."""
    files = [path for folder in folders for path in sorted((root() / folder).rglob("*.py"))]
    ours = {"course_lib", "tools"} | {path.stem for name in ("benchmarks", "tests", "tools")
                             for path in (root() / name).rglob("*.py")}
    missing = {}
    for path in files:
        for name in imported_by(path) - ours - sys.stdlib_module_names:
            if not declared & {canonicalize_name(one) for one in DISTRIBUTIONS.get(name, ())}:
                missing.setdefault(name, []).append(path.relative_to(root()).as_posix())
    return missing


def test_the_course_declares_what_it_imports():
    further = undeclared(COURSE, "course_lib", "lessons")
    only_in_lesson_15s_last_part = {name: ["course_lib/lm/scale_training.py"] for name in SCALE}
    assert {name: further[name] for name in SCALE} == only_in_lesson_15s_last_part
    for name in further.keys() - SCALE:
        assert name in CLASSROOM and all(file.startswith("course_lib/classroom/") for file in further[name]), name


def test_the_tools_tests_and_benchmarks_declare_what_they_import():
    further = undeclared(COURSE | TESTS, "tools", "benchmarks", "tests")
    for name, files in further.items():
        assert name in CLASSROOM and all(file.startswith("tests/test_classroom_") for file in files), name


def test_imports_are_seen_wherever_they_stand():
    assert imported("import a.b as c, d\nfrom e.f import g\nfrom . import h\ndef i():\n    import j") == {
        "a", "d", "e", "j"}
    assert imported("try:\n    import cv2\nexcept ImportError:\n    pass\nimport os") == {"os"}
    assert "psutil" in undeclared(COURSE - {"psutil"}, "course_lib")
