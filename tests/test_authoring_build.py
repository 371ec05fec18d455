"""`course build`: three notebooks from one source, the same bytes every time; `--check` sees every difference."""

import json
import re

import mini_course
import nbformat
import pytest


def cells(path):
    return json.loads(path.read_text())["cells"]


def source(path):
    return "\n".join("".join(cell["source"]) for cell in cells(path))


def test_three_views(mini):
    assert mini("build") == 0
    assert {path.name for path in mini.root.glob("*/*.ipynb")} == {f"{mini_course.SLUG}.ipynb"}
    stub, solution = source(mini.built("exercises")), source(mini.built("solutions"))
    assert "raise NotImplementedError" in stub and "the_sum_of_both" not in stub and "only the solution" not in stub
    assert "the_sum_of_both = x + 7" in solution and "only the solution" in solution
    assert "SOLUTION" not in stub + solution and "raise NotImplementedError" not in solution
    for folder in ("notebooks", "exercises", "solutions"):
        nbformat.validate(nbformat.read(mini.built(folder), as_version=4))


def test_headings_come_from_the_registry(mini):
    mini("build")
    for folder in ("exercises", "solutions"):
        text = source(mini.built(folder))
        assert "### Exercise 91.1 — Seven more  ●○○ · essential · 1 minute · 1 point\n\nAdd seven." in text
        assert "### Exercise 91.2 — Twice as much  ●●● · optional · 10 minutes · 2.5 points" in text


def test_byte_identical_twice_and_in_another_process(mini):
    assert mini("build") == 0
    first = {path: path.read_bytes() for path in mini.root.glob("*/*.ipynb")}
    for path in first:
        path.unlink()
    assert mini_course.python("-m", "course_lib.cli", "build").returncode == 0
    assert {path: path.read_bytes() for path in mini.root.glob("*/*.ipynb")} == first and len(first) == 3
    for content in first.values():
        assert content.endswith(b"}\n") and b"\r" not in content and not re.search(rb"20\d\d-\d\d", content)


def test_a_new_cell_leaves_all_other_ids_alone(mini):
    mini("build")
    before = {cell["id"]: cell["source"] for cell in cells(mini.built("notebooks"))}
    mini.edit(mini.lesson, "# %%\nx = 1\n", "# %%\ny = 2\n\n# %%\nx = 1\n")
    mini("build")
    after = {cell["id"]: cell["source"] for cell in cells(mini.built("notebooks"))}
    assert len(after) == len(before) + 1 and before.items() <= after.items()


def test_ids_are_unique_also_for_equal_cells_and_equal_in_both_views(mini):
    mini("build")
    ids = [cell["id"] for cell in cells(mini.built("notebooks"))]
    assert len(set(ids)) == len(ids) == 6
    solutions, exercises = ([cell["id"] for cell in cells(mini.built(view))] for view in ("solutions", "exercises"))
    assert [cell for cell in solutions if cell in exercises] == exercises and len(solutions) == len(exercises) + 1


def executed(path):
    """Give every code cell of the file an output, as if it had been run."""
    notebook = json.loads(path.read_text())
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "code":
            cell["execution_count"] = number
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": [f"{number}"]}]
    path.write_text(json.dumps(notebook))


def test_outputs_stay_where_the_source_did_not_change(mini):
    mini("build")
    path = mini.built("notebooks")
    executed(path)
    mini.edit(mini.lesson, "x = 1", "x = 3")
    mini("build")
    shown = [(cell["source"], bool(cell["outputs"]), cell["execution_count"])
             for cell in cells(path) if cell["cell_type"] == "code"]
    assert shown == [(["x = 3"], False, None), (["x + 1"], True, 4), (["x + 1"], True, 5)]


def test_a_cell_that_gets_the_tag_for_texts_of_others_loses_its_output(mini):
    mini("build")
    executed(mini.built("notebooks"))
    mini.edit(mini.lesson, "# %%\nx = 1", '# %% tags=["third-party-text"]\nx = 1')
    mini("build")
    assert [cell["outputs"] for cell in cells(mini.built("notebooks")) if cell["source"] == ["x = 1"]] == [[]]


def test_exercise_stubs_never_keep_an_output(mini):
    mini("build")
    executed(mini.built("exercises"))
    mini("build")
    assert not any(cell.get("outputs") for cell in cells(mini.built("exercises")))


def test_check_passes_on_what_was_built_and_ignores_outputs(mini, capsys):
    mini("build")
    executed(mini.built("notebooks"))
    executed(mini.built("solutions"))
    assert mini("build", "--check") == 0
    assert "every cell as in the source" in capsys.readouterr().out


def change(edit):
    def changed(path):
        notebook = json.loads(path.read_text())
        edit(notebook)
        path.write_text(json.dumps(notebook))
    return changed


@pytest.mark.parametrize(("edit", "says"), [
    (change(lambda nb: nb["cells"][1].update(source="x = 2")), "has another source"),
    (change(lambda nb: nb["cells"][1].update(metadata={"tags": ["a"]})), "has another metadata"),
    (change(lambda nb: nb["cells"][1].update(id="other")), "is not in the source"),
    (change(lambda nb: nb["cells"].pop(1)), "is new in the source"),
    (change(lambda nb: nb["cells"].reverse()), "another order"),
    (change(lambda nb: nb["cells"].append(nb["cells"][-1])), "is not in the source"),
    (change(lambda nb: nb["cells"][2].update(cell_type="raw")), "has another type"),
    (change(lambda nb: nb["metadata"].update(widgets={})), "notebook has another metadata"),
    (lambda path: path.unlink(), "missing, or not a notebook"),
    (lambda path: path.write_text(path.read_text()[:200]), "missing, or not a notebook"),
    (lambda path: path.write_text("[]"), "missing, or not a notebook"),
])
def test_check_names_lesson_cell_and_command(mini, capsys, edit, says):
    mini("build")
    edit(mini.built("notebooks"))
    before = {path: path.read_bytes() for path in mini.root.glob("*/*.ipynb")}
    capsys.readouterr()
    assert mini("build", "--check") == 1
    said = capsys.readouterr().err
    assert f"notebooks/{mini_course.SLUG}.ipynb: " in said and says in said and "run `course build 91`" in said
    assert {path: path.read_bytes() for path in mini.root.glob("*/*.ipynb")} == before


def test_check_sees_an_edited_source(mini, capsys):
    mini("build")
    mini.edit(mini.exercises, "x * 2 + 0 * x", "2 * x")
    assert mini("build", "--check", "91") == 1
    said = capsys.readouterr().err
    assert "solutions/91_mini.ipynb: cell exercise-91-2 (`def double(x):`) has another source" in said
    assert "exercises/" not in said


def test_check_sees_a_notebook_without_a_lesson(mini, capsys):
    mini("build")
    (mini.root / "exercises" / "90_gone.ipynb").write_bytes(mini.built("exercises").read_bytes())
    assert mini("build", "--check") == 1
    assert "exercises/90_gone.ipynb has no lesson" in capsys.readouterr().err


def test_an_unknown_lesson_is_named(mini, capsys):
    assert mini("build", "17") == 1
    assert "there is no lesson 17" in capsys.readouterr().err
