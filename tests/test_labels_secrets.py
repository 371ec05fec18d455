"""The label store keeps its secrets: its connection, and SQL about its tables, stand in its own files only."""

import re

import pytest

from course_lib.paths import root

STORE = {f"course_lib/labels/{name}.py" for name in (
    "label_file", "label_reader", "schema", "store", "queue", "check", "rescue", "merge", "foreign", "import_lines",
    "backups")}
PROGRESS = "course_lib/exercises/store.py"          # the other SQLite file of the course, with tables of its own
CONNECTION = re.compile(r"\._?connection\b")
SQL = re.compile(r"\b(SELECT\b.+\bFROM|INSERT\b.+\bINTO|UPDATE \w+ SET|DELETE FROM) ")


def sources(*folders):
    return {path.relative_to(root()).as_posix(): path.read_text(encoding="utf-8")
            for folder in folders for path in sorted((root() / folder).rglob("*.py"))}


def test_nobody_else_takes_the_connection():
    everything = sources("course_lib", "lessons", "benchmarks", "tools", "tests")
    del everything["tests/test_labels_secrets.py"]
    assert everything.keys() >= STORE
    assert [name for name, text in everything.items() if name not in STORE and CONNECTION.search(text)] == []


def test_nobody_else_knows_the_tables():
    library = sources("course_lib", "lessons")
    assert [name for name, text in library.items() if name not in {*STORE, PROGRESS} and SQL.search(text)] == []


@pytest.mark.parametrize("line", ["rows = store.connection.execute(question)", "store._connection.close()"])
def test_the_connection_would_be_found(line):
    assert CONNECTION.search(line)


@pytest.mark.parametrize("line", ["SELECT mu FROM preferences", "INSERT OR IGNORE INTO items", "UPDATE labels SET mu"])
def test_sql_would_be_found(line):
    assert SQL.search(f'"{line} x"')
