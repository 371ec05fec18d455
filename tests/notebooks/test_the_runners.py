"""The runners themselves: a wrong answer, a false claim, a hanging cell and a dead kernel must fail the run."""

import mini_course
import nbformat
import pytest
from nbformat import v4
from notebook_runs import Raised, nbval, nbval_command, raising_cells


def notebook(path, *sources):
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources]), path)
    return path


@pytest.mark.parametrize(("source", "says", "seconds"), [
    ("from course_lib import expect\nexpect(1 > 2, 'one is more than two', measured=1)", "one is more than two", 60),
    ("1 / 0", "ZeroDivisionError", 60),
    ("import os\nassert 'COURSE_STRICT' not in os.environ", "AssertionError", 60),
    ("import os\nassert os.environ['COURSE_BUDGET'] != 'ci'", "AssertionError", 60),
    ("import time\ntime.sleep(60)", "Timeout of 3", 3),
    ("import os\nos._exit(1)", "failed", 3),
])
def test_a_bad_cell_fails_the_run(tmp_path, source, says, seconds):
    done = nbval(notebook(tmp_path / "bad.ipynb", "x = 1", source), cell_seconds=seconds)
    assert done.returncode == 1 and says in done.stdout, done.stdout


def test_a_good_notebook_passes_in_its_own_folder_with_this_python(tmp_path):
    good = notebook(tmp_path / "good.ipynb", "import os, sys\nfrom course_lib import expect, paths",
                    f"assert os.getcwd() == {str(tmp_path)!r}",
                    "import ipykernel; expect(paths.my_work().exists(), 'my_work is a folder of its own')")
    done = nbval(good)
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout


PICTURE = '<img alt="{}" src="data:image/png;base64,{}">'


@pytest.mark.parametrize(("printed", "picture", "passes"), [
    ("0.7, 1.5 CPU-seconds on this machine\n", ("A curve.", "Zm9v"), True),
    ("0.8, 0.3 CPU-seconds on this machine\n", ("A curve.", "YmFy"), False),
    ("0.7, 0.3 CPU-seconds on this machine\n", ("Two curves.", "YmFy"), False)])
def test_a_cell_that_shows_stored_results_must_show_what_the_notebook_holds(tmp_path, printed, picture, passes):
    shows = f"print('0.7, 0.3 CPU-seconds on this machine')\nHTML({PICTURE.format('A curve.', 'YmFy')!r})"
    cell = v4.new_code_cell(f"from IPython.display import HTML\n{shows}", execution_count=1, outputs=[
        v4.new_output("stream", name="stdout", text=printed),
        v4.new_output("execute_result", execution_count=1, data={
            "text/plain": "<IPython.core.display.HTML object>", "text/html": PICTURE.format(*picture)})])
    cell.metadata["tags"] = ["nbval-check-output"]
    nbformat.write(v4.new_notebook(cells=[cell]), tmp_path / "table.ipynb")
    done = nbval(tmp_path / "table.ipynb")
    assert (done.returncode == 0) is passes, done.stdout


def test_cells_run_in_their_order(tmp_path):
    count = notebook(tmp_path / "count.ipynb", "x = 0", *[f"assert x == {n}\nx += 1" for n in range(8)])
    done = nbval(count)
    assert done.returncode == 0 and "9 passed" in done.stdout, done.stdout


def test_a_notebook_without_cells_or_that_is_none_fails_the_run(tmp_path):
    assert nbval(notebook(tmp_path / "empty.ipynb")).returncode != 0
    (tmp_path / "broken.ipynb").write_text("{")
    assert nbval(tmp_path / "broken.ipynb").returncode != 0


def test_a_wrong_answer_fails_the_solutions_and_a_right_one_passes(mini):
    mini("build")
    done = nbval(mini.built("solutions"))
    assert done.returncode == 0, done.stdout
    mini.edit(mini.exercises, "x * 2 + 0 * x", "x * 3 + 0 * x")
    mini("build")
    done = nbval(mini.built("solutions"))
    assert done.returncode == 1 and "Two times two is four" in done.stdout and "1 failed, 4 passed" in done.stdout


def test_stubs_raise_at_every_check_and_only_there(mini):
    mini("build")
    raised = raising_cells(mini.built("exercises"))
    assert [(found.tags, found.name) for found in raised] == [(("check:91.1",), "Fail"), (("check:91.2",), "Fail")]


def test_a_cell_that_calls_the_stub_is_found(mini):
    mini.edit(mini.exercises, "# %% [markdown] tags", "# %%\nadd_seven(2)\n\n# %% [markdown] tags")
    mini("build")
    raised = raising_cells(mini.built("exercises"))
    assert Raised(5, (), "NotImplementedError", "") in raised and len(raised) == 3


@pytest.mark.slow
def test_many_at_once_keep_each_notebook_in_one_worker(tmp_path):
    names = [notebook(tmp_path / f"{name}.ipynb", "x = 1", "x += 1", "assert x == 2") for name in "ab"]
    done = mini_course.python(*nbval_command(names, workers=2)[1:], cwd=tmp_path)
    assert done.returncode == 0 and "6 passed" in done.stdout, done.stdout
