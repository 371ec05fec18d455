"""What other programs read of this repository: citation, workflows, container; against published schemas."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from course_lib.paths import root


@pytest.mark.parametrize(("schema", "files"), [
    ("vendor.citation-file-format", ["CITATION.cff"]),
    ("vendor.github-workflows", [".github/workflows/ci.yml", ".github/workflows/book.yml"]),
])
def test_files_fit_their_published_schema(schema, files):
    done = subprocess.run([sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files], cwd=root(),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((root() / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])


def test_the_container_sets_the_course_up_and_points_to_its_python():
    container = json.loads((root() / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    program, script = container["postCreateCommand"].split()
    assert program == "python" and (root() / script).is_file()
    assert re.fullmatch(r"mcr\.microsoft\.com/devcontainers/python:3\.1[123]", container["image"])
    settings = container["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")


def test_the_colab_cell_names_files_and_commands_that_exist():
    page = (root() / "docs/front_ends.md").read_text(encoding="utf-8")
    cell = re.search(r"```ipython3\n(.*?)```", page, re.DOTALL)[1]
    for name in re.findall(r"course/([\w.]+)", cell):
        assert (root() / name).exists(), name
    assert re.findall(r"&& course (\w+)", cell) == ["assets"]
