"""docs/faults.md is true: its rows are numbered, and each test that it names is there."""

import ast
import re

from course_lib.paths import root

PAGE = (root() / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)
NAMED = re.compile(r"`(test_\w+)::(test_\w+)`")


def is_there(file: str, name: str) -> bool:
    """Whether that file of tests/ has a test of that name."""
    path = root() / "tests" / f"{file}.py"
    return path.is_file() and any(isinstance(node, ast.FunctionDef) and node.name == name
                                  for node in ast.parse(path.read_text(encoding="utf-8")).body)


def test_every_fault_has_a_test_that_is_there():
    assert [int(row[0]) for row in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) == len(re.findall(r"^\| \d", PAGE, re.MULTILINE)), "a row is written in a way that is not read"
    assert f"The {len(ROWS)} rows below" in PAGE
    assert [row for row in ROWS if not NAMED.findall(row[3])] == []
    assert [named for named in NAMED.findall(PAGE) if not is_there(*named)] == []
    assert PAGE.count("::") == len(NAMED.findall(PAGE)), "a test is named in a way that is not read"
    assert not is_there("test_docs_faults", "test_nothing") and not is_there("test_nothing", "test_nothing")
