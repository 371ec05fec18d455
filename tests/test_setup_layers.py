"""The layers of course_lib: the lint stage runs the contracts of pyproject.toml, and each would catch a breach."""

import importlib.util
import shutil
import subprocess
import sys
import tomllib

from course_lib.paths import root

CONTRACTS = tomllib.loads((root() / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
GAMES_AND_PLOTS = {"gymnasium", "ale_py", "matplotlib"}
BREACHES = {
    "layers": ("show/palette.py", "import course_lib.rl.ppo"),
    "no-circles": ("training/checkpoint.py", "import course_lib.training.resume"),
    "text-loads-no-games": ("lm/gpt.py", "import gymnasium"),
    "training-knows-no-environment": ("training/resume.py", "import matplotlib.pyplot"),
    "labels-start-fast": ("labels/store.py", "import torch"),
    "checks-know-no-task": ("exercises/compare.py", "import course_lib.lm.gpt"),
}


def tool(name, monkeypatch):
    """A script of tools/, loaded as a module."""
    spec = importlib.util.spec_from_file_location(name, root() / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_lint_stage_runs_ruff_and_the_layers(monkeypatch):
    [lint] = [stage for stage in tool("run_tests", monkeypatch).STAGES if stage.name == "lint"]
    assert lint.command == (sys.executable, "tools/lint.py")
    linter, ran = tool("lint", monkeypatch), []

    def ruff(command, **options):
        ran.append(command[1:4])
        return subprocess.CompletedProcess(command, ruff_code)

    monkeypatch.setattr(linter.os, "chdir", lambda folder: ran.append(folder))
    monkeypatch.setattr(linter.subprocess, "run", ruff)
    monkeypatch.setattr(linter, "lint_imports", lambda **options: ran.append("layers") or layers_code)
    for ruff_code, layers_code in ((0, 0), (1, 0), (0, 1)):
        assert linter.main() == int(ruff_code or layers_code)
    assert ran == 3 * [root(), ["-m", "ruff", "check"], "layers"]


def test_each_contract_catches_a_breach(tmp_path):
    """A copy of the package with a forbidden import in each place, and with a package that has no layer."""
    assert {contract["id"] for contract in CONTRACTS} == set(BREACHES)
    package = shutil.copytree(root() / "course_lib", tmp_path / "course_lib",
                              ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root() / "pyproject.toml", tmp_path)
    for file, line in BREACHES.values():
        text = (package / file).read_text(encoding="utf-8")
        (package / file).write_text(f"{text}\n{line}\n", encoding="utf-8")
    check = [sys.executable, "-c", "from importlinter.cli import lint_imports\nlint_imports(no_cache=True)"]
    said = " ".join(subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split())
    for contract in CONTRACTS:
        assert f"{contract['name']} BROKEN" in said
    (package / "novelty").mkdir()
    (package / "novelty" / "__init__.py").touch()
    said = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "course_lib.novelty" in said


def test_what_packages_do_not_load():
    """One process loads one after the other; what an earlier one has loaded is unwanted in the later ones too."""
    unwanted = {"labels": {"torch", *GAMES_AND_PLOTS}, "training": GAMES_AND_PLOTS, "lm": GAMES_AND_PLOTS}
    code = ("import importlib, pkgutil, sys\n"
            f"for name in {list(unwanted)}:\n"
            "    package = importlib.import_module('course_lib.' + name)\n"
            "    for module in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
            "        importlib.import_module(module.name)\n"
            "    print(*{name.split('.')[0] for name in sys.modules})")
    said = subprocess.run([sys.executable, "-c", code], cwd=root(), capture_output=True, text=True, check=True).stdout
    for (package, never), loaded in zip(unwanted.items(), said.splitlines(), strict=True):
        assert never & set(loaded.split()) == set(), package
        assert "course_lib" in loaded


def test_a_comparison_past_the_engine_in_a_lessons_checks_is_found(monkeypatch, tmp_path):
    linter = tool("lint", monkeypatch)
    checks = tmp_path / "98_lesson" / "checks.py"
    checks.parent.mkdir()
    checks.write_text("import torch\n\ndef case(fn):\n    if not torch.allclose(fn(1), 2):\n        raise ValueError\n")
    [found] = linter.own_comparisons(checks)
    assert found.startswith("98_lesson/checks.py:4: `allclose` in a case")
    checks.write_text("from course_lib.exercises import close\n\ndef case(fn):\n    close(fn(1), 2)\n")
    assert linter.own_comparisons(checks) == []


def test_a_helper_that_takes_the_name_of_another_is_found(monkeypatch, tmp_path):
    linter = tool("lint", monkeypatch)
    checks = tmp_path / "98_lesson" / "checks.py"
    checks.parent.mkdir()
    checks.write_text("def _loss():\n    return 1\n\ndef _(fn):\n    _loss()\n\n"
                      "def _loss(x):\n    return x\n\ndef _(fn):\n    _loss(1)\n")
    assert linter.given_twice(checks) == [
        "98_lesson/checks.py:7: `_loss` stands in line 1 already: what comes later takes its place"]
