"""expect and budget: a claim with its measured value, in the lesson's own length and in the tests' short one."""

import math
import re

import numpy as np
import pytest
import torch
from engine_lesson import python

from course_lib import budget, expect


def test_a_claim_that_holds_shows_what_was_measured(work, capsys):
    accuracy = 0.616
    expect(0.58 < accuracy < 0.66, "1,000 labels get about 62% right", measured=accuracy)
    line = capsys.readouterr().out
    assert re.fullmatch(
        r"✓ 1,000 labels get about 62% right \(measured 0\.616, \d+(\.\d)? CPU-seconds on this machine\)\n", line)


@pytest.mark.parametrize(("measured", "text"), [
    (0.61234567, "measured 0.6123,"), (1234567, "measured 1,234,567,"), ("two modes", "measured two modes,"),
    ({"300 labels": 0.576, "10k": np.float32(0.702)}, "measured 300 labels 0.576, 10k 0.702,"),
    (torch.tensor(0.5), "measured 0.5,"), (np.float64(2.0), "measured 2,"), (True, "measured True,"),
])
def test_measured_may_be_a_number_a_text_or_a_dict(work, capsys, measured, text):
    expect(True, "It holds", measured=measured)
    assert text in capsys.readouterr().out


@pytest.mark.parametrize("condition", [np.bool_(False), torch.tensor(False), math.nan > 0, 0])
def test_a_miss_says_so_in_words_and_raises_in_strict_mode_only(work, capsys, monkeypatch, condition):
    expect(condition, "The learned model wins", measured=0.41)
    out = capsys.readouterr().out
    assert out.startswith("✗ Not on this run: The learned model wins (measured 0.41, ") and "rounds otherwise" in out
    assert "again" not in out           # the same cell on the same machine computes the same
    monkeypatch.setenv("COURSE_STRICT", "1")
    with pytest.raises(AssertionError, match=r"Not on this run: The learned model wins \(measured 0\.41"):
        expect(condition, "The learned model wins", measured=0.41)


def test_in_the_ci_budget_the_wider_bound_counts_and_the_line_says_so(work, capsys, monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")
    monkeypatch.setenv("COURSE_BUDGET", "ci")
    expect(False, "It learns", ci=True, measured=0.5)
    assert "CI budget" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="CI budget"):
        expect(True, "It learns", ci=False)
    with pytest.raises(AssertionError):
        expect(False, "It learns")                      # no wider bound: the claim itself counts
    monkeypatch.setenv("COURSE_BUDGET", "full")
    with pytest.raises(AssertionError):
        expect(False, "It learns", ci=True)


def test_what_a_short_run_cannot_show_is_said_and_neither_holds_nor_fails(work, capsys, monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")
    monkeypatch.setenv("COURSE_BUDGET", "ci")
    expect(False, "It learns", ci="two updates", measured=0.5)
    out = capsys.readouterr().out
    assert out == "– Not asked of so short a run: It learns (two updates; measured 0.5)\n"
    monkeypatch.setenv("COURSE_BUDGET", "full")
    with pytest.raises(AssertionError):
        expect(False, "It learns", ci="two updates")
    expect(True, "It learns", ci="two updates")
    assert "✓ It learns" in capsys.readouterr().out


def test_the_time_is_that_since_the_last_claim(work, capsys, monkeypatch):
    from course_lib.exercises import expect as expect_module

    clock = iter([10.0, 10.0, 12.5, 12.5])
    monkeypatch.setattr(expect_module.time, "process_time", lambda: next(clock))
    monkeypatch.setattr(expect_module, "_since", 9.0)
    expect(True, "One")
    expect(True, "Two")
    out = capsys.readouterr().out
    assert "One (1.0 CPU-seconds" in out and "Two (2.5 CPU-seconds" in out


def test_budget(work, monkeypatch):
    assert budget(full=100_000, ci=5_000) == 100_000
    monkeypatch.setenv("COURSE_BUDGET", "ci")
    assert budget(full=100_000, ci=5_000) == 5_000
    monkeypatch.setenv("COURSE_BUDGET", "full")
    assert budget(full="long", ci="short") == "long"
    for wrong in ("CI", "fast", "0"):
        monkeypatch.setenv("COURSE_BUDGET", wrong)
        with pytest.raises(ValueError, match=f"COURSE_BUDGET is '{wrong}'.*'full'.*'ci'"):
            budget(full=1, ci=1)


def test_public_names_survive_any_order_of_imports(work):
    done = python("""
import course_lib.budget, course_lib.exercises.checking
import course_lib
from course_lib import budget, check
assert callable(budget) and callable(check) and budget(full=1, ci=2) == 1
assert set(dir(course_lib)) >= {"check", "hint", "mine", "expect", "budget", "board"}
try:
    course_lib.chekc
except AttributeError as error:
    print(error)
""", work)
    assert done.returncode == 0, done.stderr
    assert "notebooks use board, budget, check" in done.stdout
