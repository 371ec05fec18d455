"""A my_work from before lessons got other numbers: everything gets the new ones, once; nothing is lost."""

import errno
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from engine_lesson import ROOT, settings
from waiting import LONG_ENOUGH

from course_lib import atomic, mine, renumbered, workspace
from course_lib.errors import CourseError
from course_lib.exercises import mine as mine_module
from course_lib.exercises import registry, store

OLD_TABLES = """
create table attempts(id integer primary key, exercise text not null, status text not null, passed integer not null,
    cases integer not null, points real not null, out_of real not null, at text not null);
create table hints(id integer primary key, exercise text not null, step integer not null, how text not null,
    at text not null);
pragma user_version = 1;
"""
IDS = ("01.3", "04.6", "05.1", "05.2", "06.1", "07.3", "08.1", "09.1", "09.2", "10.1", "10.7")
NEW = {"01.3": "01.3", "04.6": "04.6", "05.1": "06.1", "05.2": "06.2", "06.1": "07.1", "07.3": "08.3", "08.1": "09.1",
       "09.1": "10.1", "09.2": "10.2", "10.1": "11.1", "10.7": "11.7"}


def answer(id: str, was: str | None = None) -> str:
    """A saved answer that can tell by which number it was saved."""
    return (f"# Exercise {id}, A title, 05.1: your own answer.\n# Saved 2026-01-02 03:04, when it passed its check.\n\n"
            f"def f():\n    return {was or id!r}\n")


def old_progress() -> None:
    """An attempt with 10 * the lesson + the exercise points at each of IDS, and hints at one."""
    store.file().parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(store.file())) as connection, connection:
        connection.executescript(OLD_TABLES)
        connection.executemany("insert into attempts(exercise, status, passed, cases, points, out_of, at) "
                               "values(?, 'passed', 1, 1, ?, 99, '')", [(id, 10 * float(id)) for id in IDS])
        connection.execute("insert into hints(exercise, step, how, at) values('10.7', 2, 'asked', '')")


def old_answers(work: Path) -> None:
    (work / "answers").mkdir(parents=True)
    for id in IDS:
        (work / "answers" / f"{id}.py").write_text(answer(id))


def answers(work: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in (work / "answers").glob("*.py")}


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and ".course" not in path.parts}


RENUMBERED = {NEW[id]: answer(NEW[id], id) for id in IDS}


# ------------------------------------------------------------------------------------------------------- progress file

def version() -> int:
    with closing(sqlite3.connect(store.file())) as connection:
        return connection.execute("pragma user_version").fetchone()[0]


def test_reading_an_old_progress_file_renumbers_it_once(work):
    old_progress()
    for _ in range(2):
        known = store.standings()
        assert {id: round(known[id].points) for id in known} == {NEW[id]: round(10 * float(id)) for id in IDS}
        assert known["11.7"].hints == 2 and version() == 2


def test_writing_to_an_old_progress_file_renumbers_it_first(work):
    old_progress()
    store.add_attempt("06.1", "failed", 0, 1, 0, 99)
    store.add_hint("10.1", 1, "asked")
    known = store.standings()
    assert (known["06.1"].attempts, known["06.1"].failures, known["06.1"].points) == (2, 1, 51)
    assert (known["07.1"].attempts, known["07.1"].failures) == (1, 0)
    assert known["10.1"].hints == 1 and known["11.1"].hints == 0


def test_a_new_progress_file_is_never_renumbered(work):
    store.add_attempt("06.1", "passed", 1, 1, 2, 2)
    assert version() == 2 and set(store.standings()) == {"06.1"}
    store.add_attempt("10.1", "passed", 1, 1, 2, 2)
    assert set(store.standings()) == {"06.1", "10.1"}


def test_a_kill_while_renumbering_leaves_the_old_file(work):
    old_progress()
    with closing(store._connect()) as connection:
        connection.execute("begin immediate")
        store._bring_forward(connection)
        assert connection.execute("select count(*) from attempts where exercise = '11.7'").fetchone() == (1,)
    assert version() == 1                                       # closed without a commit
    assert store.standings()["11.7"].hints == 2


def test_an_old_progress_file_that_cannot_be_written_is_said_and_not_mixed_up(work, monkeypatch):
    old_progress()
    monkeypatch.setattr(store, "_connect", lambda: sqlite3.connect(f"file:{store.file()}?mode=ro", uri=True,
                                                                   isolation_level=None))
    with pytest.raises(store.CannotSave, match=r"progress\.sqlite cannot be used .*readonly"):
        store.standings()
    with pytest.raises(store.CannotSave, match="readonly"):
        store.add_attempt("06.1", "passed", 1, 1, 2, 2)


TOGETHER = """
from course_lib import renumbered
from course_lib.exercises import store
print(sorted(store.standings()))
renumbered.bring_forward()
renumbered.answers()
"""


def test_several_processes_at_once_renumber_once(work):
    old_progress()
    old_answers(work)
    old_work(work)
    processes = [subprocess.Popen([sys.executable, "-c", TOGETHER], env=settings(work), cwd=ROOT, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    said = [process.communicate(timeout=LONG_ENOUGH) for process in processes]
    assert all(out.startswith(f"{sorted(NEW.values())}\n") and not err for out, err in said), said
    assert sum("are now 06 to 11" in out for out, _ in said) == 1
    assert answers(work) == RENUMBERED and version() == 2


# ------------------------------------------------------------------------------------------------------- saved answers

def test_answers_are_renamed_and_their_heads_say_the_new_number(work):
    old_answers(work)
    renumbered.answers()
    assert answers(work) == RENUMBERED
    renumbered.answers()
    assert answers(work) == RENUMBERED


@pytest.mark.parametrize("stop", range(1, 38))          # 9 heads, 9 names, 6 marks, 7 checkpoints, 5 notebooks, the end
def test_interrupted_anywhere_it_goes_on(work, monkeypatch, capsys, stop):
    old_answers(work)
    old_work(work)
    writes = iter(range(1, 1_000))

    def until(real):
        def step(*arguments, **options):
            if next(writes) == stop:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **options)
        return step

    with monkeypatch.context() as patch, pytest.raises(CourseError, match="No space left"):
        patch.setattr(atomic, "write_bytes", until(atomic.write_bytes))
        patch.setattr(Path, "rename", until(Path.rename))
        renumbered.bring_forward()
    renumbered.bring_forward()
    assert capsys.readouterr().out.endswith("just as you left them.\n")
    assert {name: content for name, content in everything(work).items() if ".renumbered" not in name} == {
        **{f"answers/{id}.py": text.encode() for id, text in RENUMBERED.items()}, **AFTER}


def test_an_answer_follows_the_courses_function_that_it_calls(work):
    old_answers(work)
    path = work / "answers" / "06.4.py"
    line = "from course_lib.exercises.lesson_checks.lesson_{} import frame_skip\n"
    path.write_text(answer("06.4") + line.format("05") + line.format("02"))
    renumbered.answers()
    assert path.with_name("07.4.py").read_text() == answer("07.4", "06.4") + line.format("06") + line.format("02")


def test_an_answer_whose_head_was_changed_by_hand_is_renamed_as_it_is(work):
    old_answers(work)
    (work / "answers" / "07.3.py").write_bytes(b"# m\xffne\r\n")
    renumbered.answers()
    assert (work / "answers" / "08.3.py").read_bytes() == b"# m\xffne\r\n"


def test_nothing_is_written_over(work):
    old_answers(work)
    (work / "answers" / "11.1.py").write_text("mine")
    (work / "before_renumbering" / "answers").mkdir(parents=True)
    (work / "before_renumbering" / "answers" / "10.1.py").write_text("mine too")
    renumbered.answers()
    assert answers(work) == {**RENUMBERED, "11.1": "mine"}
    kept = everything(work / "before_renumbering")
    assert kept == {"answers/10.1.py": b"mine too", "answers/10.1-2.py": answer("11.1", "10.1").encode()}


def test_mine_without_a_new_start_of_the_course_takes_no_answer_to_another_exercise(work, capsys):
    (work / "answers").mkdir(parents=True)
    own = "import torch\n\ndef {}(*arguments):\n    return {!r}\n"
    (work / "answers" / "06.1.py").write_text("# Exercise 06.1, x\n" + own.format("window_returns", "old 06.1"))
    assert mine("06.1").__name__ == "frame_skip" and "the course's function" in capsys.readouterr().out
    assert mine("07.1")() == "old 06.1"


def test_a_check_without_a_new_start_saves_beside_the_old_answer_and_not_over_it(work):
    old_answers(work)

    def frame_skip(frames, rewards, skip):
        return frames, rewards

    assert mine_module.save(registry.load("06.1"), frame_skip) == ""
    saved = answers(work)
    assert "return frames, rewards" in saved["06.1"]
    assert {id: text for id, text in saved.items() if id != "06.1"} == {
        id: text for id, text in RENUMBERED.items() if id != "06.1"}


def test_the_first_answer_of_a_new_my_work_keeps_its_number(work):
    def frame_skip(frames, rewards, skip):
        return frames, rewards

    mine_module.save(registry.load("06.1"), frame_skip)
    renumbered.bring_forward()
    assert set(answers(work)) == {"06.1"} and mine("06.1").__name__ == "frame_skip"


def refuse(*arguments, **options):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_old_answers_in_a_folder_that_cannot_be_written_are_left_and_said(work, monkeypatch, capsys):
    old_answers(work)
    monkeypatch.setattr(atomic, "write_bytes", refuse)
    assert mine("06.1").__name__ == "frame_skip"
    said = capsys.readouterr().out
    assert "have numbers of an earlier version" in said and "Read-only file system" in said
    assert mine("02.1").__name__ == "gae" and "earlier" not in capsys.readouterr().out
    assert answers(work) == {id: answer(id) for id in IDS}


# ------------------------------------------------------------------------------------------- notebooks and checkpoints

BEFORE = {"notebooks/04_cartpole_from_preferences.ipynb": b"4", "notebooks/05_atari_ppo.ipynb": b"5",
          "notebooks/05_atari_ppo.update-1.ipynb": b"51", "notebooks/09_my_own.ipynb": b"own",
          "exercises/10_ppo_for_language_models.ipynb": b"10",
          "exercises/10_ppo_for_language_models.update-12.ipynb": b"12",
          "solutions/07_tiny_gpt.ipynb": b"7", "solutions/08_tiny_gpt.ipynb": b"new",
          "checkpoints/02_lander.pt": b"2", "checkpoints/05_pong.pt": b"a", "checkpoints/06-pong/loop.pt": b"b",
          "checkpoints/06-mine/loop.pt": b"c", "checkpoints/07-char-40.pt": b"d", "checkpoints/08-sft-40.pt": b"e",
          "checkpoints/08-paid-40-own-sft.pt": b"f", "checkpoints/10-ppo-12.pt": b"g", "checkpoints/11-ppo-60.pt": b"h",
          "checkpoints/10-ppo-60.pt": b"i", "labels/preferences.sqlite": b"labels"}
AFTER = {"notebooks/04_cartpole_from_preferences.ipynb": b"4", "before_renumbering/notebooks/05_atari_ppo.ipynb": b"5",
         "before_renumbering/notebooks/05_atari_ppo.update-1.ipynb": b"51", "notebooks/09_my_own.ipynb": b"own",
         "before_renumbering/exercises/10_ppo_for_language_models.ipynb": b"10",
         "before_renumbering/exercises/10_ppo_for_language_models.update-12.ipynb": b"12",
         "before_renumbering/solutions/07_tiny_gpt.ipynb": b"7", "solutions/08_tiny_gpt.ipynb": b"new",
         "checkpoints/02_lander.pt": b"2", "checkpoints/06-pong.pt": b"a", "checkpoints/07-pong/loop.pt": b"b",
         "checkpoints/07-mine/loop.pt": b"c", "checkpoints/08-char-40.pt": b"d", "checkpoints/09-sft-40.pt": b"e",
         "checkpoints/09-paid-40-own-sft.pt": b"f", "checkpoints/11-ppo-12.pt": b"g", "checkpoints/11-ppo-60.pt": b"h",
         "checkpoints/10-ppo-60.pt": b"i", "labels/preferences.sqlite": b"labels"}


def old_work(work: Path) -> None:
    for name, content in BEFORE.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(content)


def test_notebooks_are_moved_aside_and_checkpoints_renamed_where_the_name_is_free(work, capsys):
    old_work(work)
    renumbered.bring_forward()
    assert everything(work) == {**AFTER, "answers/.renumbered": b"05"}
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and said.startswith("Lessons 05 to 10 are now 06 to 11: your points, saved answers")
    assert f"your notebooks of these lessons are in {work / 'before_renumbering'}, just as you left them." in said


def test_what_is_brought_back_afterwards_stays(work, capsys):
    old_work(work)
    renumbered.bring_forward()
    capsys.readouterr()
    (work / "notebooks" / "05_atari_ppo.ipynb").write_bytes(b"back")
    renumbered.bring_forward()
    assert capsys.readouterr().out == "" and (work / "notebooks" / "05_atari_ppo.ipynb").read_bytes() == b"back"


def test_a_new_my_work_is_told_nothing(work, capsys):
    renumbered.bring_forward()
    assert capsys.readouterr().out == "" and everything(work) == {"answers/.renumbered": b"05"}


def test_a_start_of_the_course_brings_the_new_notebooks_after_it(mini, capsys):
    assert mini("build") == 0
    old_work(mini.work)
    assert "notebooks/91_mini.ipynb" in workspace.prepare().new
    assert "are now 06 to 11" in capsys.readouterr().out
    assert not (mini.work / "exercises" / "10_ppo_for_language_models.ipynb").exists()
    assert not workspace.update().beside and "06 to 11" not in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_a_sentence(mini, monkeypatch, capsys):
    assert mini("build") == 0
    old_work(mini.work)
    monkeypatch.setattr(Path, "rename", refuse)
    assert mini("update") == 1
    said = capsys.readouterr().err
    assert "Read-only file system" in said and str(mini.work) in said and "Traceback" not in said
    assert {name: content for name, content in everything(mini.work).items() if name in BEFORE} == BEFORE
