"""Every lesson and every solution runs through; every exercise stub fails at its checks, at all of them, only there."""

import nbformat
import pytest
from notebook_runs import RUN, built, nbval, raising_cells


@pytest.mark.parametrize("notebook", [path for folder in RUN for path in built(folder)],
                         ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_runs_through_in_the_ci_budget(notebook):
    done = nbval(notebook)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize("notebook", built("exercises"), ids=lambda path: path.stem)
def test_stubs_fail_exactly_at_their_checks(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    checks = [index for index, cell in enumerate(cells)
              if any(tag.startswith("check:") for tag in cell.metadata.get("tags", ()))]
    raised = raising_cells(notebook)
    assert [found.index for found in raised] == checks, raised
    assert {found.name for found in raised} == {"Fail"}, raised
