"""The hoppers that ship: they load, do what their facts say, and their films need no MuJoCo."""


import pytest
import torch
from PIL import Image

from course_lib.hopper import shipped
from course_lib.hopper.shipped import FROM_LABELS, PITCH_RATE, load_shipped, show_stored_film, stored_film
from course_lib.hopper.task import perform
from course_lib.training.checkpoint import CheckpointError, save_checkpoint


@pytest.mark.parametrize("name", [PITCH_RATE, *FROM_LABELS.values()])
def test_a_shipped_hopper_loads_and_its_film_is_small(name):
    found = load_shipped(name)
    assert (found.reward_model is None) == (name == PITCH_RATE) and found.facts["command"].endswith("--ship")
    with Image.open(stored_film(name)) as film:
        assert film.n_frames > 20
    assert stored_film(name).stat().st_size < 300_000 and shipped.checkpoint(name).stat().st_size < 300_000
    if found.reward_model is not None:
        assert torch.isfinite(found.reward_model.normalized_reward(torch.zeros(3, 12))).all()


def test_the_shipped_backflip_turns_and_the_written_reward_rolls():
    """As far as any processor repeats it: the facts say what the stored run measured."""
    flip, rolling = (perform(load_shipped(name).agent) for name in (FROM_LABELS["backflip"], PITCH_RATE))
    assert flip.mean_turns > 3 and flip.mean_height > 0.5
    assert rolling.mean_turns > 3 and rolling.floor_share > flip.floor_share


def test_another_network_under_the_same_name_is_refused_with_a_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "checkpoint", lambda name: tmp_path / f"{name}.pt")
    save_checkpoint(tmp_path / "hopper_backflip.pt", {"agent": {"policy.0.weight": torch.zeros(2, 2)}, "facts": {},
                                                      "members": 0, "hidden": 0, "reward_model": {}})
    with pytest.raises(CheckpointError, match="git checkout"):
        load_shipped("hopper_backflip")


def test_a_stored_film_is_shown_with_its_words(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    show_stored_film(FROM_LABELS["backflip"], alt='It "flips".')
    assert 'alt="It &quot;flips&quot;."' in shown[0]["text/html"] and shown[0]["text/plain"] == 'It "flips".'
