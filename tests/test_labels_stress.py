"""A short run of the stress test in benchmarks/: a handful of SIGKILLs, nothing lost, nothing doubled."""

import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_few_kills_lose_and_double_nothing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    from label_store_stress import stress

    found = stress(kills=6, seed=1, folder=tmp_path)
    assert found["sent"]["answer"] > 0 and found["killed_while"], "it did answer and it did die"
    assert (found["lost"], found["doubled"], found["missing"], found["set_aside"]) == (0, 0, 0, 0)
    assert found["integrity"] == "ok"
    sys.modules.pop("label_store_stress")
