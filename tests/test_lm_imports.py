"""Language models know nothing of environments and plots, and what all trainings share knows only torch."""

import pkgutil
import subprocess
import sys

import pytest

import course_lib.lm
import course_lib.training

ENVIRONMENTS_AND_PLOTS = {"gymnasium", "ale_py", "matplotlib"}


def loaded_by(*modules: str) -> set[str]:
    """Names of everything that a new process has loaded after importing `modules`."""
    code = f"import {', '.join(modules)}, sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def modules_of(package) -> list[str]:
    return [f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]


def test_the_transformer_and_its_ppo_load_no_environment_and_no_plots():
    assert not ENVIRONMENTS_AND_PLOTS & loaded_by("course_lib.lm.gpt", "course_lib.lm.ppo")


@pytest.mark.parametrize("package", [course_lib.lm, course_lib.training], ids=["lm", "training"])
def test_no_module_of_the_package_does(package):
    assert not ENVIRONMENTS_AND_PLOTS & loaded_by(*modules_of(package))


def test_what_all_trainings_share_knows_neither_agents_nor_texts():
    loaded = loaded_by(*modules_of(course_lib.training))
    assert not [name for name in loaded if name.startswith(("course_lib.rl", "course_lib.lm", "course_lib.labels"))]
