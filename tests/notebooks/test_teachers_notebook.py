"""The teacher's notebook: as its source says, with outputs, and it runs through in the CI budget."""

import json
import re

import pytest
from notebook_runs import nbval

from course_lib import paths
from course_lib.authoring import notebook_file, prose, teachers_notebook
from course_lib.authoring.source import SourceError
from course_lib.preferences.human_ratings import load_rated_texts


def test_it_is_that_of_its_source_with_outputs_alt_texts_and_nobodys_paths():
    assert teachers_notebook.differences() == []
    notebook = notebook_file.read(teachers_notebook.target())
    assert notebook_file.without_outputs(notebook) == 0
    stored = json.dumps([cell.get("outputs") for cell in notebook.cells])
    assert '"output_type": "error"' not in stored and "✗" not in json.dumps(notebook.cells, ensure_ascii=False)
    assert str(paths.root()) not in stored and "/tmp/" not in stored
    assert not any(prose.has_wordless_picture(cell.outputs) for cell in notebook.cells if cell.cell_type == "code")
    assert stored.count("<img alt=") == 3 and "synthetic class" in json.dumps(notebook.cells).lower()
    words = re.sub(r"data:[^\"' ]+", " ", stored)
    assert not [text.text for text in load_rated_texts() if len(text.text) > 40 and text.text in words]


def test_runs_through_in_the_ci_budget():
    done = nbval(teachers_notebook.target())
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_a_fault_is_named_with_its_line_and_a_change_with_its_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    assert teachers_notebook.build() == "" and teachers_notebook.differences() == []
    (tmp_path / "classroom").mkdir()
    teachers_notebook.source().write_text("# %% [markdown]\n# # Title\n\n# %%\nx = 1\n")
    assert "2 cells, 1 without stored outputs" in teachers_notebook.build()
    assert teachers_notebook.differences() == []
    teachers_notebook.source().write_text("# %% [markdown]\n# # Title\n\n# %%\nx = 2\n")
    assert any("`x = 2`" in sentence for sentence in teachers_notebook.differences())
    teachers_notebook.source().write_text("# %%\n" + "x = 1\n" * 40)
    with pytest.raises(SourceError, match="class_labels.py:1: more than 30 lines"):
        teachers_notebook.build()
