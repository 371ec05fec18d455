"""The benchmark's files: measured seeds are kept and skipped, half a line does no harm, nothing names a computer."""

import json
import platform
import sys

import pytest

from course_lib.paths import root


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(root() / "benchmarks"))
    import record

    monkeypatch.setattr(record, "RESULTS", tmp_path)
    yield record
    sys.modules.pop("record", None)


def test_lines_are_kept_and_a_line_cut_by_a_kill_is_replaced(record, tmp_path):
    assert record.lines("job") == []
    record.append("job", {"seed": 0})
    with open(tmp_path / "job.jsonl", "a") as file:
        file.write('{"seed": 1, "retu')
    assert record.lines("job") == [{"seed": 0}]
    record.append("job", {"seed": 1})
    assert [line["seed"] for line in record.lines("job")] == [0, 1]


def test_measured_seeds_are_skipped(record, monkeypatch, capsys):
    import pong

    measured = []
    monkeypatch.setattr(pong, "measure", lambda name, seed, ship: measured.append(seed) or {
        "seed": seed, "true_return": 0, "cpu_s": 0, "agent_steps": 0, "labels": 0, "ties": 0, "reached": False})
    record.append("pong_pixels-true", {"seed": 1})
    monkeypatch.setattr(sys, "argv", ["pong.py", "pixels-true", "--seeds", "0-2"])
    pong.main()
    assert measured == [0, 2]
    assert "seed 1: measured before" in capsys.readouterr().out


def test_a_package_that_is_not_here_does_not_cost_a_measured_run(record, monkeypatch):
    monkeypatch.setattr(record, "PACKAGES", ("torch", "no-such-package"))
    assert list(record.circumstances()["versions"]) == ["torch"]


def test_circumstances_name_the_processor_and_no_computer(record):
    text = json.dumps(record.circumstances())
    assert {"date", "python", "versions", "machine"} <= record.circumstances().keys()
    assert record.circumstances()["machine"]["cores"] >= 1
    assert not platform.node() or platform.node() not in text
