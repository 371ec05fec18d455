"""The progress file: several kernels at once, a file that cannot be written, a file that is damaged."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from engine_lesson import ROOT, one_mean, right, settings
from waiting import LONG_ENOUGH

from course_lib import board, check, hint
from course_lib.exercises import store
from course_lib.exercises.store import add_attempt, add_hint, standings

WRITER = """
import sys
from course_lib.exercises import store
store.PATIENCE = 200            # a test machine's disk may be slow; a row must not be lost for that
from course_lib.exercises.store import add_attempt
for i in range(250):
    assert add_attempt(f"99.{sys.argv[1]}", "failed", 1, 4, i / 1000, 2) == ""
"""


def test_four_processes_write_a_thousand_rows_and_none_is_lost(work):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(i)], env=settings(work), cwd=ROOT) for i in range(4)]
    assert [writer.wait(LONG_ENOUGH) for writer in writers] == [0, 0, 0, 0]
    known = standings()
    assert sum(standing.attempts for standing in known.values()) == 1000
    assert {standing.points for standing in known.values()} == {0.249}
    with closing(sqlite3.connect(store.file())) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        assert connection.execute("select count(*) from attempts").fetchone() == (1000,)


def test_a_standing_keeps_the_best_and_a_pass_stays(work):
    assert standings() == {}
    add_attempt("99.1", "unwritten", 0, 4, 0.0, 2)
    assert standings()["99.1"] == store.Standing(0, 0, 0.0, False, 0)
    add_attempt("99.1", "failed", 3, 4, 1.5, 2)
    add_attempt("99.1", "passed", 4, 4, 2.0, 2)
    add_attempt("99.1", "failed", 1, 4, 0.5, 2)
    add_hint("99.1", 2, "asked")
    add_hint("99.2", 1, "failed")
    assert standings() == {"99.1": store.Standing(3, 2, 2.0, True, 2), "99.2": store.Standing(0, 0, 0.0, False, 1)}


def no_folder(work):
    work.write_text("a file where the folder should be")        # a place where root cannot write either
    return work


def no_file(work):
    store.file().mkdir(parents=True)
    return work


def no_name(work):
    return work / ("x" * 300)                                   # longer than file systems allow


@pytest.mark.parametrize("spoil", [no_folder, no_file, no_name])
def test_without_a_place_to_save_the_check_still_shows_its_card(work, capsys, monkeypatch, spoil):
    monkeypatch.setenv("COURSE_WORK", str(spoil(work)))
    check("99.1", right)
    out = capsys.readouterr().out
    assert "✓ 99.1 Centre the scores: passed, 2 of 2 points" in out
    assert "could not be saved in your progress" in out and str(work) in out
    board()
    assert "99.1" in capsys.readouterr().out
    for _ in range(2):
        check("99.1", one_mean)                         # offered from this kernel's own count
    assert "Stuck?" in capsys.readouterr().out
    hint("99.1")
    hint("99.1")
    check("99.1", one_mean)
    assert "Hint 2 of 3" in capsys.readouterr().out


def test_a_locked_file_is_said_and_not_waited_for_for_ever(work, monkeypatch, capsys):
    add_attempt("99.2", "passed", 1, 1, 1, 1)
    monkeypatch.setattr(store, "PATIENCE", 0.05)
    with closing(sqlite3.connect(store.file(), isolation_level=None)) as other:
        other.execute("begin exclusive")
        check("99.1", right)
    assert "database is locked" in capsys.readouterr().out


@pytest.mark.parametrize("damage", [b"this is not a database at all, " * 40, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(work, capsys, damage):
    work.mkdir()
    store.file().write_bytes(damage)
    store.file().with_name("progress.sqlite-journal").write_bytes(b"left by a crash")
    check("99.1", right)
    out = capsys.readouterr().out
    assert "passed, 2 of 2 points" in out and "progress.corrupt-1.sqlite" in out
    assert (work / "progress.corrupt-1.sqlite").read_bytes() == damage
    assert not (work / "progress.sqlite-journal").exists()          # it must not be played into the new file
    assert standings()["99.1"].passed
    check("99.1", right)
    assert "corrupt" not in capsys.readouterr().out
    store.file().write_bytes(b"damaged again" * 100)
    check("99.1", right)
    assert (work / "progress.corrupt-2.sqlite").exists() and (work / "progress.corrupt-1.sqlite").read_bytes() == damage
    assert sorted(path.name for path in work.glob("*moving*")) == []


def test_a_file_damaged_in_the_middle_is_set_aside_too(work):
    add_attempt("99.1", "failed", 1, 4, 0.5, 2)
    with closing(sqlite3.connect(store.file())) as connection, connection:
        row = ("99.1", "failed", 1, 4, 0.5, 2, "2026-01-01")
        connection.executemany("insert into attempts(exercise, status, passed, cases, points, out_of, at) "
                               "values(?,?,?,?,?,?,?)", 400 * [row])
    content = bytearray(store.file().read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    store.file().write_bytes(content)
    assert "progress.corrupt-1.sqlite" in add_attempt("99.1", "passed", 4, 4, 2, 2)
    assert standings()["99.1"].attempts == 1


DAMAGED = """
from course_lib.exercises.store import add_attempt
print(add_attempt("99.1", "failed", 1, 4, 0.5, 2))
"""


def test_several_kernels_that_find_the_damage_at_once_move_it_aside_once(work):
    work.mkdir()
    store.file().write_bytes(b"not a database" * 100)
    kernels = [subprocess.Popen([sys.executable, "-c", DAMAGED], env=settings(work), cwd=ROOT, text=True,
                                stdout=subprocess.PIPE) for _ in range(4)]
    said = [kernel.communicate(timeout=LONG_ENOUGH)[0] for kernel in kernels]
    assert [path.name for path in work.glob("progress.corrupt*")] == ["progress.corrupt-1.sqlite"]
    assert sum("corrupt-1" in text for text in said) == 1
    assert standings()["99.1"].attempts == 4
