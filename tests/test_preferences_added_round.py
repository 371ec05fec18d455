"""A finished run goes on for another round, and is taken up again with the config that it began with."""

import os
import shutil
from dataclasses import replace

import pytest
import torch
from preference_loop import SMALL, STEPS, finish, make, outcome, same
from test_preferences_loop_resume import killed_at_write

from course_lib.preferences.loop import LoopConfig, OutOfTurn


def rates(loop) -> list[float]:
    return [progress.learning_rate for progress in loop.ppo.history]


def extended(folder, config: LoopConfig = SMALL):
    """The small run, and one more round of 3 pairs and 2 updates."""
    loop = finish(make(folder, config))
    loop.add_round(labels=3, updates=2, round=3)
    return finish(loop)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return outcome(extended(tmp_path_factory.mktemp("whole")))


def test_a_finished_run_goes_on(tmp_path):
    loop = finish(make(tmp_path))
    assert loop.add_round(labels=3, updates=2) == 3
    assert (loop.stage, loop.round, loop.rounds) == ("collect", 3, 3) and "round 3 of 3" in repr(loop)
    assert loop.labels_a_round == (5, 4, 3) and loop.updates_a_round == (3, 2, 2)
    finish(loop)
    assert len(loop.asked) == len(loop.preferences.mu) == 12 and loop.ppo.updates == 7
    assert len(loop.agents) == 4 and len(loop.models) == len(loop.fits) == 3
    assert "all 3 rounds are done" in repr(loop) and "7 of 7 PPO updates" in loop._repr_html_()
    assert loop.config == SMALL, "the config stays what the run began with"


def test_it_is_taken_up_with_the_config_that_it_began_with(tmp_path):
    loop = extended(tmp_path)
    again = make(tmp_path, loop.config)
    assert again.stage == "finished" and again.labels_a_round == (5, 4, 3) and same(outcome(again), outcome(loop))
    assert again.add_round(labels=3, updates=2) == 4, "and may be extended again"
    assert finish(make(tmp_path)).labels_a_round == (5, 4, 3, 3)


def test_the_same_cell_run_again_adds_no_second_round(tmp_path):
    """The whole notebook from the top, three times over: with `round` each step is taken once."""
    for _ in range(3):
        loop = make(tmp_path)
        for round in (1, 2, 3):
            if round == 3:
                assert loop.add_round(labels=3, updates=2, round=3) == 3
            loop.collect(round=round)
            labeler = loop.labeler(lambda left, right: 1.0, round=round)
            labeler.answer_synthetic()
            loop.label(labeler.require(), round=round)
            loop.fit(round=round)
            list(loop.train(round=round))
        assert loop.stage == "finished" and loop.rounds == 3 and len(loop.asked) == 12 and loop.ppo.updates == 7


@pytest.mark.parametrize("due", ["collect", "label", "fit", "train"])
def test_before_the_end_it_says_which_step_is_due(tmp_path, due):
    loop = make(tmp_path)
    while loop.stage != due:
        STEPS[loop.stage](loop)
    for round in (None, 3):
        with pytest.raises(OutOfTurn, match=f"in round 1 the next step is to {due}"):
            loop.add_round(labels=3, updates=2, round=round)
    assert loop.add_round(labels=3, updates=2, round=2) == 2, "round 2 is planned"
    assert loop.rounds == 2 and loop.stage == due


def test_a_round_is_not_left_out_and_is_not_empty(tmp_path):
    loop = finish(make(tmp_path))
    with pytest.raises(OutOfTurn, match="has 2 rounds, so the next one is round 3, not 4"):
        loop.add_round(labels=3, updates=2, round=4)
    for numbers in ({"labels": 0, "updates": 2}, {"labels": 3, "updates": 0}):
        with pytest.raises(ValueError, match="at least one label and one update"):
            loop.add_round(**numbers)
    assert loop.rounds == 2 and make(tmp_path).rounds == 2


def test_a_new_loop_after_every_step(tmp_path, whole):
    loop, added = make(tmp_path), False
    while not (added and loop.stage == "finished"):
        if loop.stage == "finished":
            loop.add_round(labels=3, updates=2)
            added = True
        else:
            STEPS[loop.stage](loop)
        loop = make(tmp_path)
    assert same(outcome(loop), whole)


def test_leaving_the_training_of_the_added_round_and_going_on(tmp_path, whole):
    loop = finish(make(tmp_path))
    loop.add_round(labels=3, updates=2)
    for stage in ("collect", "label", "fit"):
        STEPS[stage](loop)
    for _ in loop.train():
        break
    loop = make(tmp_path)
    assert loop.stage == "train" and loop.ppo.updates == 6
    assert same(outcome(finish(loop)), whole)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_each_write_of_the_added_round(tmp_path, whole, after):
    finish(make(tmp_path / "two"))
    writes, going = 0, True
    while going:
        shutil.copytree(tmp_path / "two", tmp_path / "now")
        going = killed_at_write(tmp_path / "now", writes + 1, after, extended)
        assert same(outcome(extended(tmp_path / "now")), whole), f"killed at write {writes + 1}"
        shutil.rmtree(tmp_path / "now")
        writes += going
    assert writes == 2 * (1 + 4 + 1)                    # two files: the round is added, 4 steps, an update in between


@pytest.mark.parametrize(("total_steps", "final"), [(None, 0.1), (None, 0.0), (96, 0.0), (4000, 0.1)],
                         ids=["as planned", "down to 0", "shorter, down to 0", "longer"])
def test_the_learning_rate_is_that_of_a_run_planned_so_long(tmp_path, total_steps, final):
    """`whole` is planned with three rounds; an update is 24 steps of 4 environments, 96 in all."""
    config = replace(SMALL, total_steps=total_steps, ppo=replace(SMALL.ppo, final_learning_rate=final))
    whole = replace(config, labels=(5, 4, 3), updates=(3, 2, 2),
                    total_steps=2 * 96 + max(total_steps or 0, 5 * 96))
    loop, planned = extended(tmp_path / "added", config), finish(make(tmp_path / "planned", whole))
    assert rates(loop)[5:] == pytest.approx(rates(planned)[5:]) and min(rates(loop)[5:]) > 0
    assert loop.ppo.config.total_steps == whole.total_steps


def test_a_run_saved_before_rounds_could_be_added_is_taken_up(tmp_path):
    finish(make(tmp_path))
    path = tmp_path / "run" / "loop.pt"
    state = torch.load(path, weights_only=True)
    del state["added"]
    torch.save(state, path)
    assert make(tmp_path).rounds == 2
