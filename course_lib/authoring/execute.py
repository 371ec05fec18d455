"""`course build --execute`: run a built notebook from top to bottom and store what a reader on the web should see."""

import os
import sys
import tempfile
import time
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

import course_lib
from course_lib import kernel
from course_lib.authoring import clean_outputs, notebook_file, prose
from course_lib.authoring.render import METADATA
from course_lib.errors import CourseError

LARGE = 2_000_000        # bytes: beyond that a notebook is slow to open on the web


def execute(path: Path, *, cell_seconds: int) -> None:
    """Run the notebook in `path` in its own folder and store its outputs there.

    Checks and claims raise (`COURSE_STRICT=1`), and `my_work/` is a temporary folder, so that neither the author's
    progress nor the author's answers change the run.

    Raises:
        CourseError: a cell failed, hung or killed the kernel; the file is left as it was.
    """
    notebook = notebook_file.read(path)
    if notebook is None:
        raise CourseError(f"{path} is missing or not a notebook: run `course build` first")
    wrong = kernel.fault()
    if wrong:
        raise CourseError(f"{wrong}: run `course lab` once, which registers it")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="course-work-") as work:
        _run(notebook, path, Path(work), cell_seconds)
    notebook_file.write(notebook, path)
    size = path.stat().st_size
    _say(f"ran {path.parent.name}/{path.name}: {len(notebook.cells)} cells, {time.monotonic() - began:.0f} s, "
         f"{size / 1000:.0f} kB", last=True)
    if size > LARGE:
        over = f"{path.name} is over {LARGE // 1_000_000} MB"
        print(f"warning: {over}: make its pictures fewer or smaller", file=sys.stderr)


def environment(work: Path) -> dict[str, str]:
    """The variables a notebook runs with when it is executed for storing or for testing: on this very `course_lib`."""
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    package = str(Path(course_lib.__file__).resolve().parent.parent)
    search = os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH"))))
    return {**kept, "COURSE_STRICT": "1", "COURSE_LABELER": "scripted", "COURSE_WORK": str(work),
            "PYTHONHASHSEED": "0", "PYTHONPATH": search}


def _run(notebook: NotebookNode, path: Path, work: Path, cell_seconds: int) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook, timeout=cell_seconds, kernel_name=kernel.NAME, extra_arguments=["--log-level=40"],     # errors only
        record_timing=False, store_widget_state=True, resources={"metadata": {"path": str(path.parent)}})
    at = [0]

    def on_start(cell: NotebookNode, cell_index: int) -> None:
        at[0] = cell_index
        _say(f"{path.parent.name}/{path.name}: cell {cell_index + 1} of {len(notebook.cells)}")

    client.on_cell_start = on_start
    try:
        client.execute(env=environment(work))
    except CellExecutionError as error:
        raise _failed(path, notebook, at[0], f"{error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise _failed(path, notebook, at[0], f"it ran longer than {cell_seconds} s (see --timeout)") from None
    except DeadKernelError:
        raise _failed(path, notebook, at[0], "the kernel died") from None
    _store(notebook, path, client.widget_state, work)


def _store(notebook: NotebookNode, path: Path, widgets: dict, work: Path) -> None:
    count = 0
    for index, cell in enumerate(notebook.cells):
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        try:
            cell.outputs = clean_outputs.outputs(cell, widgets, work)
        except clean_outputs.ErrorOutput as error:
            raise _failed(path, notebook, index, f"an output holds an error: {error}") from None
        if prose.has_wordless_picture(cell.outputs):
            raise _failed(path, notebook, index, "a picture without alt text: use show(figure, alt)")
        if cell.source.strip():
            count += 1
            cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    notebook.metadata = NotebookNode(METADATA)


def _failed(path: Path, notebook: NotebookNode, index: int, why: str) -> CourseError:
    first = next((line for line in notebook.cells[index].source.split("\n") if line.strip()), "")
    _say("", last=True)
    return CourseError(f"{path.parent.name}/{path.name}, cell {index + 1} (`{first[:60]}`): {why}\nNothing was stored.")


def _say(words: str, last: bool = False) -> None:
    if sys.stdout.isatty():
        print(f"\r\x1b[K{words}", end="\n" if last and words else "", flush=True)
    elif last and words:
        print(words, flush=True)
