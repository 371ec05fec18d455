"""The learner's work is theirs: copies are made once, changed lessons come beside them, nothing is written over."""

import errno
import json
import os

import mini_course
import pytest

from course_lib import atomic, workspace
from course_lib.errors import CourseError

NAMES = [f"{folder}/{mini_course.SLUG}.ipynb" for folder in ("notebooks", "exercises", "solutions")]


@pytest.fixture
def course(mini):
    """The mini course, built."""
    assert mini("build") == 0
    return mini


def everything(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def save(path, change):
    """Write a notebook as Jupyter would after the learner's change."""
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def test_first_start_copies_all_three_folders(course):
    assert sorted(workspace.prepare().new) == sorted(NAMES)
    for name in NAMES:
        assert (course.work / name).read_bytes() == (course.root / name).read_bytes()
    # the link in the lesson, ../exercises/91_mini.ipynb, leads to the learner's own copy
    assert (course.work / "notebooks" / ".." / "exercises" / f"{mini_course.SLUG}.ipynb").is_file()


def test_second_start_changes_no_byte(course):
    workspace.prepare()
    save(course.mine("exercises"), lambda nb: nb["cells"].pop())
    before = everything(course.work)
    brought = workspace.prepare()
    assert not brought.new and not brought.changed and everything(course.work) == before


def test_a_new_lesson_and_a_deleted_copy_are_brought(course):
    workspace.prepare()
    course.mine("solutions").unlink()
    (course.root / "notebooks" / "92_more.ipynb").write_bytes(course.built("notebooks").read_bytes())
    assert workspace.prepare().new == ["notebooks/92_more.ipynb", NAMES[2]]


def test_start_only_names_what_changed_and_update_puts_it_beside(course, capsys):
    workspace.prepare()
    note = {"cell_type": "raw", "metadata": {}, "source": "me"}
    save(course.mine("notebooks"), lambda nb: nb["cells"].insert(0, note))
    before = everything(course.work)
    course.edit(course.lesson, "x = 1", "x = 2")
    course("build")
    assert workspace.prepare().changed == [NAMES[0]] and everything(course.work) == before
    capsys.readouterr()

    assert course("update") == 0
    beside = course.work / "notebooks" / f"{mini_course.SLUG}.update-1.ipynb"
    said = capsys.readouterr().out
    assert beside.read_bytes() == course.built("notebooks").read_bytes()
    assert f"notebooks/{beside.name} is the new version; yours is still {NAMES[0]}" in said and "was changed" in said
    after = everything(course.work)
    assert {name: after[name] for name in before if "copies.json" not in name} == \
        {name: content for name, content in before.items() if "copies.json" not in name}


def test_update_twice_brings_a_version_once_and_the_next_one_under_its_own_name(course, capsys):
    workspace.prepare()
    course.edit(course.lesson, "x = 1", "x = 2")
    course("build")
    course("update")
    before = everything(course.work)
    capsys.readouterr()
    assert course("update") == 0 and "up to date" in capsys.readouterr().out and everything(course.work) == before
    course.edit(course.lesson, "x = 2", "x = 3")
    course("build")
    assert [name for _, name in workspace.update().beside] == [f"notebooks/{mini_course.SLUG}.update-2.ipynb"]


def test_an_untouched_copy_also_stays_with_its_outputs(course):
    workspace.prepare()
    save(course.mine("notebooks"), lambda nb: nb["cells"][1].update(execution_count=1, outputs=[]))
    mine = course.mine("notebooks").read_bytes()
    course.edit(course.lesson, "x = 1", "x = 2")
    course("build")
    workspace.update()
    assert course.mine("notebooks").read_bytes() == mine


def test_other_outputs_are_not_a_new_version(course):
    workspace.prepare()
    save(course.built("notebooks"), lambda nb: nb["cells"][1].update(execution_count=1))
    brought = workspace.update()
    assert not brought.beside and not brought.new


def test_a_copy_that_has_the_new_cells_already_needs_no_second_one(course):
    workspace.prepare()
    course.edit(course.lesson, "x = 1", "x = 2")
    course("build")
    save(course.mine("notebooks"), lambda nb: nb["cells"][1].update(source="x = 2"))
    assert not workspace.update().beside


def test_a_broken_copy_is_never_written_over(course):
    workspace.prepare()
    half = course.mine("exercises").read_bytes()[:300]
    course.mine("exercises").write_bytes(half)
    course.edit(course.exercises, "Add seven.", "Add 7.")
    course("build")
    assert len(workspace.update().beside) == 2
    assert course.mine("exercises").read_bytes() == half


def test_a_damaged_course_file_is_named(course, capsys):
    course.built("exercises").write_text("{")
    assert course("update") == 1
    assert f"git checkout -- {NAMES[1]}" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "{", "[]", '{"copies": []}', '{"copies": {"a": 1}}'])
def test_a_damaged_note_of_copies_loses_nothing(course, content):
    workspace.prepare()
    note = course.work / ".course" / "copies.json"
    note.write_text(content)
    save(course.mine("exercises"), lambda nb: nb["cells"].pop())
    mine = course.mine("exercises").read_bytes()
    brought = workspace.update()
    assert [copy for copy, _ in brought.beside] == [NAMES[1]]       # its version is unknown now: once more, beside
    assert course.mine("exercises").read_bytes() == mine
    assert not workspace.update().beside and set(json.loads(note.read_text())["copies"]) == set(NAMES)


@pytest.mark.parametrize(("number", "says"), [(errno.ENOSPC, "No space left"), (errno.EACCES, "Permission denied"),
                                              (errno.EROFS, "Read-only file system")])
def test_a_refused_write_is_one_sentence_and_leaves_no_half_files(course, capsys, monkeypatch, number, says):
    workspace.prepare()
    course.edit(course.lesson, "x = 1", "x = 2")
    course("build")
    before = everything(course.work)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
        assert course("update") == 1
    said = capsys.readouterr().err
    assert says in said and "Nothing of yours was changed" in said and everything(course.work) == before
    assert len(workspace.update().beside) == 1                       # and the same command goes on


def test_a_first_start_that_stops_half_way_goes_on(course, monkeypatch):
    create, made = atomic.create, []

    def full(path, content):
        if len(made) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        made.append(path)
        create(path, content)

    with monkeypatch.context() as patch, pytest.raises(CourseError, match="No space left"):
        patch.setattr(atomic, "create", full)
        workspace.prepare()
    assert len(workspace.prepare().new) == 2 and not workspace.update().beside


def test_my_work_that_is_a_file_is_named(course, capsys):
    course.work.write_text("mine")
    assert course("update") == 1
    assert "my_work" in capsys.readouterr().err and course.work.read_text() == "mine"


def test_a_file_that_appears_in_the_meantime_is_not_written_over(tmp_path):
    path = tmp_path / "a"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        atomic.create(path, b"theirs")
    assert path.read_text() == "mine" and list(tmp_path.iterdir()) == [path]


def test_pictures_of_the_checkout_come_along(course):
    picture = course.root / "assets" / "figures" / "up.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"png")
    course.edit(course.lesson, "# Now", "# ![A line going up](../assets/figures/up.png)\n# Now")
    assert course("build") == 0
    workspace.prepare()
    assert (course.work / "assets" / "figures" / "up.png").read_bytes() == b"png"


def test_without_lessons_the_folder_is_named(mini, capsys):
    assert mini("update") == 1
    assert "no lessons in" in capsys.readouterr().err
