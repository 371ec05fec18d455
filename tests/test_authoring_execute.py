"""`course build --execute`: what is stored, what is left out, and that nothing is stored when a cell goes wrong."""

import json
import os
from pathlib import Path

import pytest

from course_lib.authoring.execute import execute
from course_lib.errors import CourseError

SHOWS = '''# %%
import os, sys
from pathlib import Path
from course_lib import paths
print(paths.root() / "assets" / "a.txt", paths.root(), Path.home() / "b", paths.my_work() / "c", sys.prefix)
object()

# %%
import warnings
from tqdm import tqdm
for _ in tqdm(range(3), file=sys.stderr): pass
warnings.warn("mind the gap")
print(os.getcwd() == str(paths.root() / "notebooks"), os.environ["COURSE_STRICT"], "COURSE_BUDGET" in os.environ)
paths.my_work().mkdir(exist_ok=True)
(paths.my_work() / "mark").touch()

# %% tags=["third-party-text"]
print("I hated every minute of it, said the reviewer")

# %%
import matplotlib.pyplot as plt
from course_lib.show.figures import show
from ipywidgets import interact
@interact(a=(0, 3))
def draw(a=1):
    figure, axes = plt.subplots()
    axes.plot([0, a])
    show(figure, "A line from 0 to a.")

# %%
from IPython.display import display
from ipywidgets import Button
display(Button(description="Press"))

# %%
'''


def cells(path):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def text(cell):
    return "".join("".join(output.get("text") or output["data"].get("text/plain", "")) for output in cell["outputs"])


def test_outputs_as_readers_may_see_them(mini, capsys, monkeypatch):
    monkeypatch.delenv("COURSE_BUDGET", raising=False)
    mini.edit(mini.lesson, "# %%\nx = 1", SHOWS + "x = 1")
    assert mini("build", "--execute", "91") == 0, capsys.readouterr().err
    path = mini.built("notebooks")
    paths, bar, others, slider, button, *rest = cells(path)
    assert text(paths) == "assets/a.txt . ~/b my_work/c .venv\n<object at 0x...>"
    assert "100%" in text(bar) and "| 3/3\n" in text(bar) and "\r" not in text(bar) and "it/s" not in text(bar)
    assert "this cell:4: UserWarning: mind the gap" in text(bar) and "True 1 False" in text(bar)
    assert not (mini.work / "mark").exists()
    assert text(others) == "Texts of others appear here when you run this cell."
    assert '<img alt="A line from 0 to a."' in "".join(slider["outputs"][0]["data"]["text/html"])
    assert text(button) == "Something to move or click appears here when you run this cell."
    stored = json.dumps([json.loads(path.read_text())["metadata"], [cell["outputs"] for cell in cells(path)]])
    for leak in ("hated", str(mini.root), str(Path.home()) + "/", "widget", "course-work-", "iopub"):
        assert leak not in stored, leak
    assert [cell["execution_count"] for cell in cells(path)] == list(range(1, 9))
    assert rest[-1]["outputs"][0]["execution_count"] == 8 and text(rest[-1]) == "2"
    assert mini("build", "--check") == 0
    solution = cells(mini.built("solutions"))
    assert all(cell["outputs"] for cell in solution if "check:" in str(cell["metadata"]))
    assert not any(cell["outputs"] for cell in cells(mini.built("exercises")))
    again = path.read_bytes()
    assert mini("build") == 0 and path.read_bytes() == again
    assert "ran notebooks/91_mini.ipynb: 11 cells" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "says"), [
    ("1 / 0", "cell 2 (`1 / 0`): ZeroDivisionError: division by zero"),
    ("import os; os._exit(1)", "the kernel died"),
    ("import ipywidgets\nipywidgets.interact(lambda a: 1 / (a - a), a=(0, 1))\nx = 1", "an output holds an error: Z"),
    ("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nx = 1", "a picture without alt text"),
])
def test_nothing_is_stored_when_a_cell_fails(mini, capsys, code, says):
    mini("build")
    mini.exercises.unlink()
    mini.edit(mini.lesson, "x = 1", code)
    mini("build")
    before = mini.built("notebooks").read_bytes()
    assert mini("build", "--execute") == 1
    said = capsys.readouterr().err
    assert says in said and "notebooks/91_mini.ipynb, cell 2" in said and "Nothing was stored" in said
    assert mini.built("notebooks").read_bytes() == before


def test_a_cell_that_hangs_is_stopped_and_nothing_is_stored(mini):
    mini.edit(mini.lesson, "x = 1", "import time; time.sleep(60)")
    mini("build")
    before = mini.built("notebooks").read_bytes()
    with pytest.raises(CourseError, match=r"cell 2 .*: it ran longer than 3 s \(see --timeout\)"):
        execute(mini.built("notebooks"), cell_seconds=3)
    assert mini.built("notebooks").read_bytes() == before


def test_a_wrong_solution_fails_the_run(mini, capsys):
    mini.edit(mini.exercises, "x * 2 + 0 * x", "x * 3 + 0 * x")
    assert mini("build", "--execute") == 1
    said = capsys.readouterr().err
    assert all(cell["execution_count"] for cell in cells(mini.built("notebooks")))      # the other one still ran
    assert 'solutions/91_mini.ipynb, cell 9 (`check("91.2", double)`): Fail' in said and "Two times two is four" in said


def test_a_large_notebook_is_warned_about_and_the_environment_stays(mini, capsys):
    before = dict(os.environ)
    mini.edit(mini.lesson, "x = 1", "x = 1\nprint('a' * 2_100_000)")
    assert mini("build", "--execute") == 0
    assert "91_mini.ipynb is over 2 MB" in capsys.readouterr().err
    assert dict(os.environ) == before
