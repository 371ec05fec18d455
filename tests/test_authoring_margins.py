"""Margins of claims and the processor by chance, in a real IPython shell and in one notebook run."""

import json

import nbformat
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from nbformat import v4

from course_lib.authoring import margins, rounding
from course_lib.paths import root


@pytest.fixture
def claims(work):
    """Run a cell that makes claims; returns what was noted of them."""
    shell, noted = InteractiveShell(), []
    margins.install(shell, noted.append)
    shell.run_cell("from course_lib import expect\nimport numpy as np, torch\nlow, high = 0.5, 0.75")

    def run(source):
        noted.clear()
        result = shell.run_cell(source)
        assert result.error_before_exec is None and result.error_in_exec is None
        return noted
    return run


@pytest.mark.parametrize(("condition", "held", "slack"), [
    ("low < high", True, 0.25), ("low > high", False, -0.25), ("0.25 < low < high", True, 0.25),
    ("0.4375 < low < high", True, 0.0625), ("0 < low < 0.25", False, -0.25), ("0.6 < low < 0.7", False, -0.1),
    ("high > 0.25 and low < 0.625", True, 0.125), ("high < 0.25 and low < 0.625", False, -0.5),
    ("high < 0.25 or low < 0.625", True, 0.125), ("not low > high", True, 0.25),
    ("all(x > 0.25 for x in (low, high))", True, 0.25), ("any(x > 0.625 for x in (low, high))", True, 0.125),
    ("torch.tensor(low) < np.float64(high)", True, 0.25), ("abs(low - high) < 0.5 * high", True, 0.125),
    ("np.allclose([low], [low + 0.25], rtol=0, atol=0.5)", True, 0.25),
    ("torch.allclose(torch.tensor([low]), torch.tensor([high]), rtol=0, atol=0.125)", False, -0.125),
    ("low == 0.5", True, None), ("'a' in 'abc'", True, None), ("(np.ones(3) > low).all()", True, None),
    ("len([low]) > 0 and high", True, 1.0),
])
def test_the_slack_of_the_comparison_that_decides(claims, condition, held, slack):
    found, = claims(f"expect({condition}, 'a claim', measured=low)")
    assert (found.held, found.claim) == (held, "a claim")
    assert found.slack == (None if slack is None else pytest.approx(slack))


def test_in_the_ci_budget_the_wider_bound_is_measured(claims, monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "ci")
    assert claims("expect(high < low, 'wide', ci=low < high)")[0].slack == 0.25
    monkeypatch.setenv("COURSE_BUDGET", "full")
    assert claims("expect(high < low, 'full', ci=low < high)")[0].slack == -0.25


def test_a_claim_that_a_short_run_is_not_asked_has_no_margin(claims, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_BUDGET", "ci")
    assert claims("expect(high < low, 'later', ci='two updates')") == []
    assert "Not asked of so short a run: later" in capsys.readouterr().out
    monkeypatch.setenv("COURSE_BUDGET", "full")
    assert claims("expect(high < low, 'later', ci='two updates')")[0].slack == -0.25


def test_a_missed_claim_is_noted_and_the_cell_goes_on(claims, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_STRICT", "1")
    first, second = claims("expect(low > high, 'first')\nexpect(low < high, 'second')")
    assert (first.held, second.held) == (False, True) and "Not on this run: first" in capsys.readouterr().out


def test_claims_inside_functions_and_loops_see_their_variables(claims):
    found = claims("def f(bound):\n    for x in (1, 2):\n        expect(x < bound, 'loop')\nf(4)")
    assert [run.slack for run in found] == [3, 2]


def test_the_relative_margin_is_a_share_of_the_larger_side(claims):
    assert claims("expect(low < high, 'share')")[0].relative == pytest.approx(1 / 3)


def test_a_shifted_weight_is_a_neighbour_of_the_old_one_and_the_same_each_time():
    weight = torch.randn(50, 40, generator=torch.Generator().manual_seed(0))
    one, again, other = rounding.shifted(weight, 1), rounding.shifted(weight, 1), rounding.shifted(weight, 2)
    moved = one != weight
    assert 0.4 < moved.float().mean() < 0.6
    assert ((one - weight).abs() <= torch.from_numpy(np.spacing(weight.abs().numpy()))).all()
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(rounding.shifted(torch.zeros(3), 1), torch.zeros(3))


def test_every_optimizer_rounds_after_install_and_no_random_number_is_drawn(monkeypatch):
    hooks = []
    monkeypatch.setattr(rounding, "register_optimizer_step_post_hook", hooks.append)
    rounding.install(3)
    layer = torch.nn.Linear(20, 20)
    layer(torch.ones(1, 20)).sum().backward()
    before, state = layer.weight.detach().clone(), torch.get_rng_state()
    hooks[0](torch.optim.SGD(layer.parameters(), lr=0.0), (), {})
    assert torch.equal(layer.weight, rounding.shifted(before, 3)) and torch.equal(torch.get_rng_state(), state)


def claims_tool():
    import importlib.util

    spec = importlib.util.spec_from_file_location("claims", root() / "tools" / "claims.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tool_runs_a_notebook_and_reports_margins_and_errors(tmp_path, capsys):
    cells = ["from course_lib import expect\nimport os, torch\nw = torch.nn.Linear(64, 64)",
             "opt = torch.optim.SGD(w.parameters(), lr=0.0)\nbefore = w.weight.detach().clone()\n"
             "w(torch.ones(1, 64)).sum().backward(); opt.step()",
             "expect(torch.equal(w.weight, before), 'nothing moved')\nexpect(1 < 4, 'one is less')", "1 / 0"]
    path = tmp_path / "notebooks" / "x.ipynb"
    path.parent.mkdir()
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells]), path)
    tool = claims_tool()
    records = tool.run(path, "native", "ci") + tool.run(path, "rounding-1", "ci")
    held = {(record["setting"], record["claim"][:20]): record["held"] for record in records}
    assert held == {("native", "nothing moved"): True, ("native", "one is less"): True,
                    ("rounding-1", "nothing moved"): False, ("rounding-1", "one is less"): True,
                    ("native", "the cell raised Zero"): False, ("rounding-1", "the cell raised Zero"): False}
    json.dumps(records)
    assert tool.report(records, everything=True) == 1
    said = capsys.readouterr().out
    assert "FAILED  notebooks/x" in said and "native 1 < 4 (+75%); rounding-1 1 < 4 (+75%)" in said


def test_a_claim_that_nearly_fails_is_called_narrow(capsys):
    tool = claims_tool()

    def record(claim, slack):
        return {"notebook": "n", "setting": "native", "budget": "ci", "cell": 1, "claim": claim, "held": slack > 0,
                "slack": slack, "relative": slack, "bound": "1 < 2"}
    wide = [record("wide", slack) for slack in (1.0, 1.1, 0.9)]
    near = [record("near", slack) for slack in (0.1, 0.5, 0.9)]
    assert tool.report(wide + near, everything=False) == 0
    said = capsys.readouterr().out
    assert "2 claims, 0 failed somewhere, 1 narrow" in said and "near" in said and "wide" not in said
    with pytest.raises(SystemExit, match="no setting 'fast'"):
        tool.variables("fast")


def test_settings_may_be_joined():
    tool = claims_tool()
    assert tool.variables("rounding-2+bfloat16") == {"COURSE_ROUNDING": "2", "COURSE_BFLOAT16": "1"}
    assert all(tool.variables(setting) for setting in tool.QUICK)
    with pytest.raises(SystemExit, match="no setting 'bfloat17'"):
        tool.variables("default+bfloat17")
