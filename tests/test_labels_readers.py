"""Whoever only reads changes nothing; whoever opens at the same time waits; folders on other machines."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from labelling import into_one_file, many_labels, rows, text_store

from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.labels import label_file
from course_lib.labels.store import PreferenceStore


def everything(folder):
    """Every file under the folder with its content and the moment of its last change."""
    return {file.relative_to(folder): (file.read_bytes(), file.stat().st_mtime_ns)
            for file in folder.rglob("*") if file.is_file()}


READ = (["stats"], ["check", "--dry-run"], ["restore"], ["export", "texts"])


@pytest.mark.parametrize("words", READ, ids=[words[0] for words in READ])
@pytest.mark.parametrize("state", ["closed", "open", "orphaned log", "read-only", "empty", "foreign"])
def test_reading_leaves_file_and_folder_alone(tmp_path, words, state):
    folder = tmp_path / "labels"
    store = many_labels(folder / "labels.sqlite", 20)
    if state == "orphaned log":
        store.answer(22, "left", labeler="ann")
        for end in ("", "-wal"):
            shutil.copy(f"{store.path}{end}", tmp_path / f"labels.sqlite{end}")
        store.close()
        for end in ("", "-wal"):
            os.replace(tmp_path / f"labels.sqlite{end}", f"{store.path}{end}")
    elif state != "open":
        into_one_file(store)
        store.close()
    if state in ("empty", "foreign"):
        store.path.unlink()
        store.path.touch()
    if state == "foreign":
        with closing(sqlite3.connect(store.path)) as other:
            other.execute("CREATE TABLE progress(id)")
    if state == "read-only":
        store.path.chmod(0o444)
        folder.chmod(0o555)
    before = everything(folder)
    out = [str(tmp_path / "out.jsonl")] if words[0] == "export" else []
    code = main(["labels", "--file", str(store.path), *words, *out])
    after = everything(folder)
    folder.chmod(0o755)
    assert {name: content for name, content in after.items() if not name.name.endswith("-shm")} == {
        name: content for name, content in before.items() if not name.name.endswith("-shm")}
    assert code == 0 or state in ("empty", "foreign")
    if words[0] == "export" and state == "orphaned log":
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 14, "what is in the log counts"


def test_a_read_only_store_refuses_to_write(tmp_path):
    many_labels(tmp_path / "labels.sqlite", 3).close()
    store = PreferenceStore(tmp_path / "labels.sqlite", read_only=True)
    assert store.counts("texts", ["ann"]).done == 3
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.answer(4, "left", labeler="ann")


OPEN_AGAIN_AND_AGAIN = """
import sys
from course_lib.labels.store import PreferenceStore
for turn in range(25):
    store = PreferenceStore(sys.argv[1])
    store.answer(turn + 1, "left", labeler=sys.argv[2])
    store.close()
"""


def test_two_that_open_and_close_all_the_time(tmp_path):
    """The last one to close removes the log while the other one opens: that is a moment to wait, not an error."""
    store = text_store(tmp_path / "labels.sqlite", 25)
    store.close()
    children = [subprocess.Popen([sys.executable, "-c", OPEN_AGAIN_AND_AGAIN, str(store.path), name], text=True,
                                 stderr=subprocess.PIPE, cwd=label_file.__file__.partition("course_lib")[0])
                for name in ("ann", "bob")]
    said = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert len(store.preferences("texts")) == 50


def test_opening_waits_where_sqlite_does_not(tmp_path, monkeypatch):
    """`PRAGMA journal_mode = WAL` says "database is locked" at once, whatever timeout there is."""
    path = tmp_path / "labels.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE items(x)")
        other.execute("BEGIN EXCLUSIVE")
        moments = iter(range(100))

        def later(_):
            if next(moments) == 3:
                other.execute("ROLLBACK")

        monkeypatch.setattr(label_file.time, "sleep", later)
        monkeypatch.setattr(label_file, "BUSY_SECONDS", 0.2)
        end = label_file.time.monotonic() + 1000
        monkeypatch.setattr(label_file.time, "monotonic", lambda: end)
        label_file.writing(path).close()


@pytest.mark.parametrize(("kind", "found"), [("nfs4", "nfs4"), ("fuse.sshfs", "fuse.sshfs"), ("cifs", "cifs"),
                                             ("9p", "9p"), ("ext4", None), ("tmpfs", None), ("apfs", None)])
def test_folders_on_other_machines_get_a_journal_that_works_there(tmp_path, monkeypatch, kind, found):
    disks = [type("Disk", (), {"mountpoint": "/", "fstype": "ext4", "opts": ""}),
             type("Disk", (), {"mountpoint": str(tmp_path.resolve()), "fstype": kind, "opts": ""})]
    monkeypatch.setattr(label_file.psutil, "disk_partitions", lambda all: disks)
    path = tmp_path / "labels" / "labels.sqlite"
    assert label_file.network_folder(path) == found
    store = text_store(path, 3)
    store.answer(1, "left", labeler="ann")
    assert (rows(store, "PRAGMA journal_mode")[0][0] == "wal") == (found is None)
    assert len(store.preferences("texts")) == 1


def test_a_file_of_the_local_disk_moves_to_a_network_folder(tmp_path, monkeypatch):
    store = text_store(tmp_path / "labels.sqlite", 3)
    store.answer(1, "left", labeler="ann")
    store.close()
    monkeypatch.setattr(label_file, "network_folder", lambda _: "nfs4")
    again = PreferenceStore(store.path)
    assert rows(again, "PRAGMA journal_mode")[0][0] != "wal" and len(again.preferences("texts")) == 1


def test_an_empty_file_is_told_apart(tmp_path):
    (tmp_path / "labels.sqlite").touch()
    with pytest.raises(CourseError, match="is empty"):
        PreferenceStore(tmp_path / "labels.sqlite", read_only=True)
