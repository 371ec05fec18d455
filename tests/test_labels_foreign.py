"""Label files of other people: judged whole before anything of them is used, and nothing of one's own is hidden."""

import json
import shutil
import sqlite3
import time
from contextlib import closing

import pytest
from labelling import clip_store, into_one_file, rows, text_store

from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.labels import foreign
from course_lib.labels.merge import merge
from course_lib.labels.session import LabelingSession
from course_lib.labels.store import PreferenceStore


def labelled(path, pairs=4, labeler="ann", make=text_store):
    """A file of `pairs` pairs, all answered "left"."""
    store = make(path, pairs)
    for run in store.runs():
        for question in store.questions_of(run):
            store.answer(question, "left", labeler=labeler)
    into_one_file(store)
    store.close()
    return store


def copy_of(store, path):
    """A copy of the file, which a course would call the same store."""
    shutil.copy(store.path, path)
    return PreferenceStore(path)


def tamper(path, *statements):
    """Change a file behind the store's back, without its triggers."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA ignore_check_constraints = ON")
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            raw.execute(statement)


def test_undos_of_a_copy_hide_nothing_unasked(tmp_path):
    mine = labelled(tmp_path / "mine.sqlite")
    other = copy_of(mine, tmp_path / "other.sqlite")
    for _ in range(4):
        other.undo("texts", "ann")
    other.close()
    merged = merge(mine, other.path)
    assert (merged.labels, merged.duplicates, merged.would_hide) == (0, 4, 4)
    assert len(mine.preferences("texts")) == 4
    merge(mine, other.path, take_undos=True)
    assert mine.preferences("texts") == []


def test_an_answer_that_was_taken_back_and_given_anew_there(tmp_path):
    """The known fault: this raised IntegrityError."""
    mine = labelled(tmp_path / "mine.sqlite")
    other = copy_of(mine, tmp_path / "other.sqlite")
    other.undo("texts", "ann")
    other.answer(4, "right", labeler="ann", event_id="anew")
    other.close()
    merged = merge(mine, other.path)
    assert (merged.labels, merged.duplicates, merged.would_hide, merged.set_aside) == (0, 4, 1, ["ann"])
    assert [label.choice for label in mine.labels("texts")] == ["left"] * 4
    assert merge(mine, other.path, take_undos=True).labels == 1
    assert [label.choice for label in sorted(mine.labels("texts"), key=lambda one: one.question_id)] == [
        "left", "left", "left", "right"]


def test_an_answer_that_was_taken_back_there_and_given_here(tmp_path):
    """The other way round: what is brought was undone there, and here the same person's answer counts."""
    mine, other = text_store(tmp_path / "mine.sqlite", 1), text_store(tmp_path / "other.sqlite", 1)
    mine.answer(1, "left", labeler="ann")
    other.answer(1, "right", labeler="ann")
    other.undo("texts", "ann")
    merged = merge(mine, other.path)
    assert (merged.labels, merged.would_hide, merged.set_aside) == (1, 0, [])
    assert [label.choice for label in mine.labels("texts")] == ["left"] and mine.undone("texts", "ann") == 1


def test_the_command_asks_before_it_hides(tmp_path, capsys, monkeypatch):
    mine = labelled(tmp_path / "mine.sqlite")
    other = copy_of(mine, tmp_path / "other.sqlite")
    other.undo("texts", "ann")
    other.close()
    words = ["labels", "--file", str(mine.path), "merge", str(other.path)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "1 answers that count in your file were taken back in that one" in said and "--take-undos" in said
    assert "The file as it was before is backups/mine." in said and len(mine.preferences("texts")) == 4
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert main(words) == 0 and len(mine.preferences("texts")) == 3


TEXT = "SELECT item_id FROM items LIMIT 1"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


@pytest.mark.parametrize(("statements", "words"), [
    (["UPDATE items SET media = CAST('other' AS BLOB)"], "content is not what was stored"),
    (["UPDATE items SET info = '{'"], "what is told about it"),
    (["UPDATE items SET info = '[1]'"], "what is told about it"),
    (["UPDATE items SET kind = 'page'"], "CHECK|neither a text nor a clip"),
    (["UPDATE items SET media = 'text'"], "neither a text nor a clip"),
    (["UPDATE questions SET prompt = 'another question'"], "its name is not that of what it asks"),
    (["UPDATE questions SET shown = '[' || shown || ']'"], "sides and pairs"),
    (["UPDATE questions SET priority = 'first'"], "what it asks cannot be read"),
    (["UPDATE questions SET repeat_of = 'x'"], "what it asks cannot be read"),
    (["UPDATE pairs SET flip = 1 - flip"], "sides and pairs"),
    (["DELETE FROM pairs WHERE pair_id = 2"], "sides and pairs|pair is missing"),
    (["DELETE FROM items"], "missing or damaged"),
    (["UPDATE labels SET choice = 'right'"], "content is not what was stored"),
    (["UPDATE labels SET answered_at = 1"], "content is not what was stored"),
    (["UPDATE labels SET labeler = 'me'"], "content is not what was stored"),
    (["UPDATE labels SET seal = NULL, choice = 'both'"], "choice is unknown"),
    (["UPDATE labels SET seal = NULL, answered_at = 'yesterday'"], "has no time"),
    (["UPDATE labels SET seal = NULL, answered_at = 9e999"], "has no time"),
    (["UPDATE labels SET seal = NULL, source = 'oracle'"], "whose it is"),
    (["UPDATE labels SET seal = NULL, labeler = X'00'"], "whose it is"),
    (["UPDATE labels SET seal = NULL, confidence = 99"], "numbers cannot be read"),
    (["UPDATE labels SET seal = NULL, weight = -1"], "weight"),
    (["UPDATE labels SET pair_id = 1"], "belongs to another pair"),
    (["INSERT INTO undos VALUES(X'00', 'e', 'then', NULL)"], "undo"),
    (["ALTER TABLE items RENAME TO kept", f"CREATE VIEW items AS {ENDLESS} SELECT i AS item_id FROM n"],
     "“items” is not a plain table"),
    (["DROP TABLE undos", f"CREATE VIEW undos AS {ENDLESS} SELECT i AS undo_id FROM n"], "is not a plain table"),
    (["DROP TABLE undos", "CREATE TABLE undos(undo_id, event_id, saved_at, reason, x AS (zeroblob(1000000)))"],
     "is not a plain table"),
    (["DROP TABLE meta"], "is not a plain table"),
    (["PRAGMA user_version = 0"], "has version 0"),
    (["PRAGMA user_version = 99"], "has version 99"),
])
def test_what_is_not_sound_is_not_taken(tmp_path, statements, words):
    mine = labelled(tmp_path / "mine.sqlite", 2, "me")
    other = labelled(tmp_path / "other.sqlite", 3)
    tamper(other.path, "DROP VIEW preferences", "DROP VIEW live_labels", *statements)
    before, begun = other.path.read_bytes(), time.monotonic()
    with pytest.raises(CourseError, match=words) as refused:
        merge(mine, other.path)
    assert "other.sqlite" in str(refused.value) and "mine.sqlite" not in str(refused.value)
    assert other.path.read_bytes() == before and time.monotonic() - begun < 30
    assert len(rows(mine, "SELECT * FROM items")) == 4 and len(mine.preferences("texts")) == 2


@pytest.mark.parametrize("change", [{"frames": 10**9}, {"fps": "fast"}, {"fps": 0}, {"alt": None}, {"width": 7},
                                    {"columns": -1}])
def test_impossible_measures_never_reach_the_labeler(tmp_path, change):
    mine, other = clip_store(tmp_path / "mine.sqlite", 1), labelled(tmp_path / "other.sqlite", 2, make=clip_store)
    [info] = rows(other, "SELECT info FROM items LIMIT 1")[0]
    tamper(other.path, f"UPDATE items SET info = '{json.dumps(json.loads(info) | change)}'")
    with pytest.raises(CourseError, match="picture"):
        merge(mine, other.path)
    assert LabelingSession(mine, "clips", "ann", 5, "?").handle({"type": "hello"})["total"] == 1


def test_triggers_and_views_of_the_other_file_never_run(tmp_path):
    other = labelled(tmp_path / "other.sqlite", 2)
    tamper(other.path, "DROP VIEW live_labels", f"CREATE VIEW live_labels AS {ENDLESS} SELECT * FROM n",
           "CREATE TRIGGER evil AFTER INSERT ON items BEGIN DELETE FROM items; END")
    begun = time.monotonic()
    assert merge(PreferenceStore(tmp_path / "mine.sqlite"), other.path).labels == 2 and time.monotonic() - begun < 30


def test_reading_has_an_end(tmp_path, monkeypatch):
    other = labelled(tmp_path / "other.sqlite", 50)
    monkeypatch.setattr(foreign, "SECONDS", -1.0)
    with pytest.raises(CourseError, match=r"other\.sqlite is not merged: it takes longer"):
        merge(PreferenceStore(tmp_path / "mine.sqlite"), other.path)


def test_the_damaged_file_is_the_one_that_is_named(tmp_path, capsys):
    mine, other = labelled(tmp_path / "mine.sqlite"), tmp_path / "other.sqlite"
    other.write_bytes(mine.path.read_bytes()[:20_000])
    assert main(["labels", "--file", str(mine.path), "merge", str(other)]) == 1
    said = capsys.readouterr().err
    assert "other.sqlite is not merged" in said and "mine.sqlite is damaged" not in said


def test_other_programs_files_are_refused(tmp_path):
    other = tmp_path / "progress.sqlite"
    with closing(sqlite3.connect(other)) as raw:
        raw.execute("CREATE TABLE progress(id)")
    before = other.read_bytes()
    for use in (lambda: merge(PreferenceStore(tmp_path / "mine.sqlite"), other), lambda: PreferenceStore(other),
                lambda: PreferenceStore(other, read_only=True)):
        with pytest.raises(CourseError, match="some other SQLite file"):
            use()
    assert other.read_bytes() == before


def test_names_of_machines_are_told_apart(tmp_path, capsys):
    stores = [labelled(tmp_path / f"{name}.sqlite", 2, "jovyan") for name in ("mine", "one", "two")]
    for other in stores[1:]:
        merged = merge(stores[0], other.path)
        assert merged.labels == 2 and merged.renamed == {"jovyan": f"jovyan of file {other.store_id[:6]}"}
        assert merge(stores[0], other.path).duplicates == 2, "the same file again"
    assert len({label.labeler for label in stores[0].labels("texts")}) == 3
    copy = copy_of(stores[0], tmp_path / "copy.sqlite")
    assert merge(stores[0], copy.path).renamed == {}, "one's own copy is not somebody else"


def test_older_files_are_read(tmp_path):
    """A file of version 2: no seals, no weights."""
    from course_lib.labels.schema import MIGRATIONS, migrate

    path, sealed = tmp_path / "old.sqlite", labelled(tmp_path / "new.sqlite", 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(old, MIGRATIONS[:2])
        old.execute(f"ATTACH '{sealed.path}' AS new")
        for table, columns in (("meta", 2), ("items", 7), ("questions", 12), ("pairs", 5), ("labels", 14)):
            names = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})").fetchall()[:columns])
            old.execute(f"INSERT INTO main.{table}({names}) SELECT {names} FROM new.{table}")
    assert merge(PreferenceStore(tmp_path / "mine.sqlite"), path).labels == 3
    opened = PreferenceStore(path)
    assert len(opened.preferences("texts")) == 3 and opened.counts("texts", ["ann"]).done == 3
    assert rows(opened, "SELECT COUNT(*) FROM labels WHERE seal IS NULL OR asked IS NULL")[0][0] == 0
    assert [one.name.split(".")[2] for one in (tmp_path / "backups").iterdir()] == ["update"]


def test_control_characters_of_names_stay_out_of_the_terminal(tmp_path, capsys):
    mine, other = text_store(tmp_path / "mine.sqlite", 1), labelled(tmp_path / "other.sqlite", 2, "an\x1b[31mn")
    for words in (["merge", str(other.path)], ["stats"], ["merge", str(other.path)], ["check"],
                  ["export", "te\x1b[2Jxts", "x.jsonl"]):
        main(["labels", "--file", str(mine.path), *words])
    said = capsys.readouterr()
    assert "an[31mn" in said.out and "\x1b" not in said.out + said.err
