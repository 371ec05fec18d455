"""Backups before every change, `restore`, and files that are replaced while a notebook has them open."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest
from labelling import into_one_file, rows, text_store

from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.labels import backups, in_use
from course_lib.labels.check import check
from course_lib.labels.store import PreferenceStore


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    store = text_store(tmp_path / "labels" / "preferences.sqlite", 6)
    for question in store.questions_of("texts")[:3]:
        store.answer(question, "left", labeler="ann")
    return store


def kinds(path):
    return sorted(backup.name.split(".")[2].split("-")[0] for backup in backups.backups(path))


def test_every_command_that_changes_makes_one_first(store, tmp_path, capsys):
    other = text_store(tmp_path / "other.sqlite", 7)
    other.answer(7, "left", labeler="bob")
    (tmp_path / "in.jsonl").write_text('{"prompt": "", "chosen": "yes", "rejected": "no"}\n')
    assert main(["labels", "merge", str(other.path)]) == 0
    assert main(["labels", "import", str(tmp_path / "in.jsonl"), "more"]) == 0
    rows(store, "DROP INDEX labels_of_pair")
    assert main(["labels", "check"]) == 0
    said = capsys.readouterr().out
    assert kinds(store.path) == ["check", "import", "merge"]
    assert all(f"backups/{backup.name}" in said for backup in backups.backups(store.path)), "each is named"


def test_what_changes_nothing_makes_none(store, capsys):
    into_one_file(store)
    store.close()
    for words in (["stats"], ["check"], ["check", "--dry-run"], ["restore"], ["export", "texts", "out.jsonl"]):
        if words[0] == "export":
            words[-1] = str(store.path.parent.parent / "out.jsonl")
        assert main(["labels", *words]) == 0
    assert backups.backups(store.path) == [] and "There is no backup" in capsys.readouterr().out


def test_restore_brings_the_labels_back_and_keeps_what_was_there(store, capsys):
    kept = backups.back_up(store.path, "merge")
    store.answer(5, "right", labeler="ann")
    store.close()
    assert main(["labels", "restore"]) == 0 and kept.name in capsys.readouterr().out
    assert main(["labels", "restore", "latest"]) == 0
    assert PreferenceStore().counts("texts", ["ann"]).done == 3
    [before] = [backup for backup in backups.backups(store.path) if ".restore" in backup.name]
    assert main(["labels", "restore", before.name]) == 0
    assert PreferenceStore().counts("texts", ["ann"]).done == 4


def test_restore_after_damage(store, capsys):
    kept = backups.back_up(store.path, "check")
    into_one_file(store)
    store.close()
    store.path.write_bytes(os.urandom(30_000))
    assert main(["labels", "check"]) == 1 and "course labels restore" in capsys.readouterr().err
    assert main(["labels", "restore", kept.name]) == 0
    assert PreferenceStore().counts("texts", ["ann"]).done == 3
    assert any(b"SQLite" not in backup.read_bytes()[:10] for backup in backups.backups(store.path)), "kept byte by byte"


def test_a_damaged_backup_is_not_restored(store):
    kept = backups.back_up(store.path, "check")
    store.close()
    kept.write_bytes(kept.read_bytes()[:9000])
    before = store.path.read_bytes()
    with pytest.raises(CourseError, match="damaged itself"):
        backups.restore(store.path, kept)
    assert store.path.read_bytes() == before


def test_ten_are_kept_and_the_latest_of_each_kind(store, monkeypatch):
    moments = iter(range(100))
    monkeypatch.setattr(backups.time, "strftime", lambda _: f"20260101-{next(moments):06d}")
    update = backups.back_up(store.path, "update")
    made = [backups.back_up(store.path, "check") for _ in range(14)]
    assert backups.backups(store.path) == [*made[:3:-1], update]


def test_two_in_one_second(store):
    assert backups.back_up(store.path, "check") != backups.back_up(store.path, "check")
    assert len(backups.backups(store.path)) == 2


def test_without_room_nothing_is_changed(store, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(backups.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    (tmp_path / "in.jsonl").write_text('{"prompt": "", "chosen": "yes", "rejected": "no"}\n')
    assert main(["labels", "import", str(tmp_path / "in.jsonl"), "more"]) == 1
    assert "No backup" in capsys.readouterr().err and store.runs() == ["texts"]
    assert not [left for left in (store.path.parent / "backups").iterdir()], "nothing half-made is left"


# ---- the file is replaced while it is open -------------------------------------------------------------------------

HOLD = """
import sys
from course_lib.labels.store import PreferenceStore
store = PreferenceStore(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(store):
    """Another process that has the file open, as a notebook has."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(store.path)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True, cwd=in_use.__file__.partition("course_lib")[0])
    assert child.stdout.readline() == "open\n"
    yield child
    child.communicate()


def test_nobody_replaces_a_file_that_is_open(store, holder, capsys):
    kept = backups.back_up(store.path, "check")
    store.close()
    before = store.path.stat().st_ino
    assert main(["labels", "restore", kept.name]) == 1
    assert "is open in a notebook" in capsys.readouterr().err and store.path.stat().st_ino == before
    holder.kill()
    holder.wait()
    assert main(["labels", "restore", kept.name]) == 0, "the lock of a dead process is free"


def test_a_rescue_waits_until_nobody_has_it_open(store, holder):
    into_one_file(store)
    store.close()
    with open(store.path, "r+b") as file:
        file.seek(8192)
        file.write(os.urandom(4096))
    before = store.path.read_bytes()
    with pytest.raises(CourseError, match="is open in a notebook"):
        check(store.path)
    assert store.path.read_bytes() == before
    assert [left.name for left in store.path.parent.glob(".*rescued*")] == []


@pytest.mark.parametrize("how", ["moved", "deleted", "another"])
def test_an_answer_into_a_file_that_is_gone_is_not_acknowledged(store, tmp_path, how):
    if how == "another":
        text_store(tmp_path / "other.sqlite", 6).close()
        os.replace(tmp_path / "other.sqlite", store.path)
    elif how == "moved":
        shutil.copy(store.path, tmp_path / "copy.sqlite")
        os.replace(tmp_path / "copy.sqlite", store.path)
    else:
        store.path.unlink()
    with pytest.raises(CourseError, match="was replaced by another file.*not saved"):
        store.answer(5, "left", labeler="ann")
    with pytest.raises(CourseError, match="was replaced"):
        store.answer(6, "left", labeler="ann")


def test_replaced_between_begin_and_commit(store, tmp_path):
    shutil.copy(store.path, tmp_path / "copy.sqlite")
    with pytest.raises(CourseError, match="was replaced"), store.transaction():
        store.answer(5, "left", labeler="ann")
        os.replace(tmp_path / "copy.sqlite", store.path)


def test_an_older_copy_over_the_same_file_is_noticed(store, tmp_path):
    """`cp old.sqlite preferences.sqlite`: the same inode, the same store, fewer labels."""
    into_one_file(store)
    old = store.path.read_bytes()
    store.answer(5, "left", labeler="ann")
    store.answer(6, "left", labeler="ann")
    into_one_file(store)
    store.path.write_bytes(old)
    with pytest.raises((CourseError, sqlite3.DatabaseError)):
        store.answer(4, "left", labeler="ann", event_id="late")


def test_the_lock_is_shared_by_notebooks(store, holder):
    begun = time.monotonic()
    PreferenceStore(store.path).answer(5, "left", labeler="bob")
    assert time.monotonic() - begun < 5
