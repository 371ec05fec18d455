"""docs/architecture.md is true: its list of files, its picture, and each function that its three ways name."""

import ast
import importlib.util
import re
import shutil
import sys

import pytest

from course_lib.paths import root

PAGE = (root() / "docs" / "architecture.md").read_text(encoding="utf-8")
LIBRARY = root() / "course_lib"


@pytest.fixture
def tool(monkeypatch):
    """tools/architecture.py as a module."""
    spec = importlib.util.spec_from_file_location("architecture", root() / "tools" / "architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["architecture.py", "--check"])
    return module


def test_page_and_picture_are_what_the_code_says(tool, capsys):
    assert tool.main() == 0, capsys.readouterr().out


def test_the_list_names_every_file_and_no_other():
    listed, package = [], None
    for line in PAGE.splitlines():
        if line.startswith("### course_lib"):
            package = line.removeprefix("### course_lib").strip("/")
            listed.append(f"{package}/__init__.py".lstrip("/"))
        elif row := re.match(r"\| ([\w/]+\.\w+) \| \S", line):
            listed.append(f"{package}/{row[1]}".lstrip("/"))
    there = {path.relative_to(LIBRARY).as_posix() for ending in ("py", "js", "css")
             for path in LIBRARY.rglob(f"*.{ending}")}
    assert len(listed) == len(set(listed)) and set(listed) == there


def test_a_file_that_comes_or_goes_or_says_otherwise_is_noticed(tool, tmp_path):
    copy = shutil.copytree(LIBRARY, tmp_path / "course_lib", ignore=shutil.ignore_patterns("__pycache__"))
    assert tool.page(PAGE, copy) == PAGE
    (copy / "rl" / "novelty.py").write_text('"""New. And more."""\n', encoding="utf-8")
    assert "| novelty.py | New. |" in tool.page(PAGE, copy)
    (copy / "rl" / "novelty.py").write_text("", encoding="utf-8")
    with pytest.raises(SystemExit, match="no docstring"):
        tool.page(PAGE, copy)
    (copy / "rl" / "novelty.py").unlink()
    (copy / "errors.py").unlink()
    assert "errors.py" not in tool.page(PAGE, copy).split(tool.BEGIN)[1].split("### course_lib/")[0]


def defined(file, name):
    """Whether the file defines this function, class, or method of a class."""
    text = (LIBRARY / file).read_text(encoding="utf-8")
    if file.endswith(".js"):
        return re.search(rf"^\s*(async |function )*{name}\(.*\) {{", text, re.MULTILINE) is not None
    nodes = [ast.parse(text)]
    for part in name.split("."):
        nodes = [child for node in nodes for child in node.body
                 if isinstance(child, ast.FunctionDef | ast.ClassDef) and child.name == part]
    return bool(nodes)


def test_every_function_of_the_three_ways_is_there(tool):
    steps = [(step["file"], step["name"]) for step in tool.STEP.finditer(PAGE)]
    assert len(steps) > 20 and [step for step in steps if not defined(*step)] == []
    assert not defined("rl/ppo.py", "PPO.nothing") and not defined("labels/labeler.js", "nothing")
    told = re.findall(r"`[^`]*\.(?:py|js):[^`]*`", PAGE)
    assert len(told) == len(steps), "a step is written in a way that is not read"


def test_the_picture_shows_every_package_and_its_words_say_so(tool):
    shown = (root() / "docs" / "architecture.svg").read_text(encoding="utf-8")
    words = re.search(r"!\[(.*?)\]\(architecture\.svg\)", PAGE, re.DOTALL)[1]
    packages = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert set(re.findall(r'class="name"[^>]*>(\w+)<', shown)) == packages == set(tool.PLACES)
    assert packages <= set(re.findall(r"\w+", words))
    for way, through in tool.ways(PAGE).items():
        assert len(through) >= 1 and shown.count(f">{way}<") == len(through)


def test_no_arrow_may_run_behind_a_box(tool, monkeypatch):
    monkeypatch.setattr(tool, "PLACES", {**tool.PLACES, "show": tool.PLACES["rl"], "training": tool.PLACES["rl"]})
    with pytest.raises(SystemExit, match="the arrow from rl to training would run behind show"):
        tool.picture(PAGE)


def test_arrows_leave_out_what_follows_from_others(tool, monkeypatch):
    direct = {("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")}
    monkeypatch.setattr(tool, "imported", lambda graph, one, other: (one, other) in direct)
    assert tool.arrows(None, list("abcd")) == [("a", "b"), ("b", "c"), ("d", "c")]
