"""`course reset`: one exercise comes back cell for cell, all else in the notebook stays, the old code is kept."""

import errno
import json
import os

import mini_course
import pytest

from course_lib import workspace
from course_lib.authoring.render import STUB

MINE = {"cell_type": "code", "id": "scratch", "metadata": {"collapsed": True}, "execution_count": 3,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["é \\u2028 7\n"]}], "source": ["print('é 7')"]}


@pytest.fixture
def course(mini):
    """The mini course, built, copied, and worked in: both exercises solved, a cell of the learner's own, outputs."""
    assert mini("build") == 0
    workspace.prepare()
    notebook = read(mini.mine("exercises"))
    for cell in notebook["cells"]:
        if "exercise:91.1" in tags(cell):
            cell.update(source=["def add_seven(x):\n", "    return 7 + x  # mine"], execution_count=5)
        if "exercise:91.2" in tags(cell):
            cell.update(source="def double(x):\n    return x + x  # mine too")
        if "check:91.2" in tags(cell):
            cell.update(outputs=[{"output_type": "stream", "name": "stdout", "text": "Well done"}])
    notebook["cells"].insert(5, MINE)
    write(mini.mine("exercises"), notebook)
    return mini


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def write(path, notebook):
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def tags(cell):
    return cell["metadata"].get("tags", [])


def stub(course, tag):
    return next(cell for cell in read(course.built("exercises"))["cells"] if tag in tags(cell))


def others(notebook, tag="exercise:91.2"):
    return [cell for cell in notebook["cells"] if tag not in tags(cell)]


def test_one_exercise_comes_back_and_all_other_bytes_stay(course, capsys):
    before = course.mine("exercises").read_text(encoding="utf-8")
    assert course("reset", "91.2") == 0
    after = course.mine("exercises").read_text(encoding="utf-8")
    assert stub(course, "exercise:91.2") in read(course.mine("exercises"))["cells"]
    assert others(json.loads(after)) == others(json.loads(before))
    wrong = '   "source": "def double(x):\\n    return x + x  # mine too"\n'
    fresh = '   "source": [\n    "def double(x):\\n",\n    "    ' + STUB + '"\n   ]\n'
    assert after == before.replace(wrong, fresh) != before

    kept = course.work / "exercises" / "kept" / "91.2-1.py"
    said = capsys.readouterr().out
    assert "return x + x  # mine too" in kept.read_text() and str(kept) in said and "Reload Notebook from Disk" in said
    compile(kept.read_text(), str(kept), "exec")


def test_a_second_time_there_is_nothing_to_do_and_a_third_version_is_kept_too(course, capsys):
    course("reset", "91.1")
    before = course.mine("exercises").read_bytes()
    capsys.readouterr()
    assert course("reset", "91.1") == 0
    assert "nothing to do" in capsys.readouterr().out and course.mine("exercises").read_bytes() == before
    notebook = read(course.mine("exercises"))
    next(cell for cell in notebook["cells"] if "exercise:91.1" in tags(cell))["source"] = "another"
    write(course.mine("exercises"), notebook)
    course("reset", "91.1")
    assert "another" in (course.work / "exercises" / "kept" / "91.1-2.py").read_text()
    assert "7 + x" in (course.work / "exercises" / "kept" / "91.1-1.py").read_text()


@pytest.mark.parametrize("gone", [{"exercise:91.2"}, {"exercise:91.2", "check:91.2"}])
def test_a_deleted_cell_comes_back_before_its_check(course, gone):
    notebook = read(course.mine("exercises"))
    notebook["cells"] = [cell for cell in notebook["cells"] if not gone & set(tags(cell))]
    write(course.mine("exercises"), notebook)
    assert course("reset", "91.2") == 0
    cells = read(course.mine("exercises"))["cells"]
    at = [number for number, cell in enumerate(cells) if "exercise:91.2" in tags(cell)]
    assert len(at) == 1 and cells[at[0]] == stub(course, "exercise:91.2") and "check:91.2" in tags(cells[at[0] + 1])
    assert "Twice as much" in "".join(cells[at[0] - 1]["source"])
    assert [cell for cell in cells if not gone & set(tags(cell))] == notebook["cells"]
    assert not (course.work / "exercises" / "kept").exists()


def test_deleted_and_the_notebook_turned_around_it_still_stands_before_its_check(course):
    notebook = read(course.mine("exercises"))
    notebook["cells"] = [cell for cell in reversed(notebook["cells"]) if "exercise:91.2" not in tags(cell)]
    write(course.mine("exercises"), notebook)
    assert course("reset", "91.2") == 0
    order = [tag for cell in read(course.mine("exercises"))["cells"] for tag in tags(cell)]
    assert order.index("exercise:91.2") == order.index("check:91.2") - 1


def test_split_and_pasted_cells_of_the_exercise_are_all_replaced_and_all_kept(course):
    notebook = read(course.mine("exercises"))
    at = next(number for number, cell in enumerate(notebook["cells"]) if "exercise:91.2" in tags(cell))
    pasted = {**notebook["cells"][at], "id": "pasted", "source": "second = 2"}
    notebook["cells"].insert(at + 1, pasted)
    write(course.mine("exercises"), notebook)
    before = others(notebook)
    assert course("reset", "91.2") == 0
    after = read(course.mine("exercises"))
    assert others(after) == before
    assert [cell for cell in after["cells"] if "exercise:91.2" in tags(cell)] == [stub(course, "exercise:91.2")]
    kept = (course.work / "exercises" / "kept" / "91.2-1.py").read_text()
    assert "x + x" in kept and "second = 2" in kept


def test_a_cell_without_its_tag_is_known_by_its_id(course):
    notebook = read(course.mine("exercises"))
    next(cell for cell in notebook["cells"] if "exercise:91.2" in tags(cell))["metadata"] = {}
    write(course.mine("exercises"), notebook)
    assert course("reset", "91.2") == 0
    after = read(course.mine("exercises"))
    assert len(after["cells"]) == len(notebook["cells"])
    ids = [cell["id"] for cell in after["cells"]]
    assert len(set(ids)) == len(ids)


def test_a_check_cell_that_the_learner_edited_stays(course):
    notebook = read(course.mine("exercises"))
    check = next(cell for cell in notebook["cells"] if "check:91.2" in tags(cell))
    check["source"] = 'check("91.2", double)\nprint("again")'
    write(course.mine("exercises"), notebook)
    assert course("reset", "91.2") == 0
    assert check in read(course.mine("exercises"))["cells"]


def test_an_old_format_without_ids_stays_one(course):
    notebook = read(course.mine("exercises"))
    notebook["nbformat_minor"] = 4
    for cell in notebook["cells"]:
        del cell["id"]
    write(course.mine("exercises"), notebook)
    assert course("reset", "91.2") == 0
    assert not any("id" in cell for cell in read(course.mine("exercises"))["cells"])


def test_a_file_with_another_indentation_keeps_it(course):
    path = course.mine("exercises")
    path.write_text(json.dumps(read(path), indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
    course("reset", "91.2")
    assert path.read_text().startswith('{\n    "cells"')


def test_another_notebook_of_mine(course):
    beside = course.mine("exercises").with_name("copy.ipynb")
    beside.write_bytes(course.mine("exercises").read_bytes())
    mine = course.mine("exercises").read_bytes()
    assert course("reset", "91.2", "--notebook", str(beside)) == 0
    assert stub(course, "exercise:91.2") in read(beside)["cells"] and course.mine("exercises").read_bytes() == mine


@pytest.mark.parametrize(("word", "says"), [
    ("91.7", "there is no exercise 91.7; lesson 91 has 91.1, 91.2"),
    ("17.1", "lesson 17 has no exercises here"),
    ("ties", "write it as 03.2"),
])
def test_unknown_exercises_are_named(course, capsys, word, says):
    assert course("reset", word) == 1
    assert says in capsys.readouterr().err


def test_the_number_may_be_short(course, monkeypatch):
    (course.root / "exercises" / "03_ties.ipynb").write_text(
        course.built("exercises").read_text().replace("exercise:91.1", "exercise:03.2"))
    workspace.prepare()
    assert course("reset", "3.2") == 0


def test_a_missing_notebook_says_how_to_get_one(course, capsys):
    course.mine("exercises").unlink()
    assert course("reset", "91.1") == 1
    assert "`course lab` brings a fresh copy" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{", b'{"cells": [1]}', b'{"worksheets": []}', b"\xff\xfe"])
def test_a_broken_notebook_is_left_as_it_is(course, capsys, content):
    course.mine("exercises").write_bytes(content)
    assert course("reset", "91.1") == 1
    said = capsys.readouterr().err
    assert "is not a whole notebook" in said and ".ipynb_checkpoints" in said
    assert course.mine("exercises").read_bytes() == content


def test_a_full_disk_changes_nothing(course, capsys, monkeypatch):
    before = course.mine("exercises").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
        assert course("reset", "91.2") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert course.mine("exercises").read_bytes() == before
    assert not list((course.work / "exercises").rglob("*.part"))


def test_the_old_code_is_kept_before_the_notebook_is_changed(course, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        assert course("reset", "91.2") == 1
    assert "x + x" in (course.work / "exercises" / "kept" / "91.2-1.py").read_text()
    assert "x + x" in course.mine("exercises").read_text()


def test_a_file_named_kept_is_no_reason_to_lose_anything(course, capsys):
    (course.work / "exercises" / "kept").write_text("mine")
    before = course.mine("exercises").read_bytes()
    assert course("reset", "91.2") == 1
    assert "is a file, not a folder" in capsys.readouterr().err and course.mine("exercises").read_bytes() == before


def test_jupyter_reads_the_restored_notebook(course):
    import nbformat

    course("reset", "91.2")
    nbformat.validate(nbformat.read(course.mine("exercises"), as_version=4))
    assert mini_course.SLUG in course.mine("exercises").name
