"""Short runs of the stress test and the soak in benchmarks/: nothing lost, nothing doubled, nobody waits."""

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


@pytest.mark.slow
def test_four_notebooks_while_everything_goes_wrong(tmp_path, monkeypatch, request):
    """Kills, clocks that jump, full and slow disks: three minutes, or --soak-minutes."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    from label_store_soak import LONGEST_SECONDS, TROUBLES, soak

    minutes = request.config.getoption("--soak-minutes")
    found = soak(60 * minutes, seed=1, folder=tmp_path)
    assert found["acknowledged"] > 20 * minutes and found["deaths"] > 0 and found["errors"] > 0, "it was soaked"
    assert set(found["troubles"]) == set(TROUBLES)
    assert (found["lost"], found["doubled"], found["findings"], found["integrity"]) == (0, 0, [], "ok")
    assert found["longest_seconds"] < LONGEST_SECONDS
    sys.modules.pop("label_store_soak")
