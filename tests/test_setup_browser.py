"""A notebook opens in a real JupyterLab and its cells run: the ground that every browser test stands on."""

import ast

import pytest
from browser import Lab, run_cell, wait_for_notebook, write_notebook


@pytest.mark.browser
def test_a_cell_runs_in_jupyterlab(tmp_path, browser_page):
    write_notebook(tmp_path / "sum.ipynb", "import course_lib, os\nos.environ['COURSE_WORK'], 20 + 22")
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        browser_page.goto(lab.url("sum.ipynb"))
        wait_for_notebook(browser_page)
        run_cell(browser_page, 0)
        output = browser_page.locator(".jp-OutputArea-output").first
        output.wait_for()
        assert ast.literal_eval(output.inner_text()) == (str(tmp_path), 42)         # a long path fills two lines
        assert len(lab.kernel_pids()) == 1
