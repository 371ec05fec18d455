"""Rounds of labels in a notebook: asked once, passed over when done, taken up tomorrow, never mixed unnoticed."""

from pathlib import Path

import pytest
import torch

from course_lib.atari import from_preferences
from course_lib.atari.fit_reward import FitConfig
from course_lib.atari.from_preferences import AtariFromPreferences, PreferenceConfig
from course_lib.atari.label_rounds import LabelRounds, NotThisRound
from course_lib.atari.synthetic_labelers import PointsJudge
from course_lib.errors import CourseError
from course_lib.labels.store import PreferenceStore
from course_lib.rl.ppo import PPOConfig

SHORT = PreferenceConfig(track="pong objects", total_steps=4 * 256, labels=8, first_labels=4, labels_a_round=4,
                         updates_a_round=1, warm_up_rollouts=1, ppo=PPOConfig(total_steps=4096, num_steps=64),
                         fit=FitConfig(first_steps=3, steps=2))


@pytest.fixture(autouse=True)
def few_games(monkeypatch):
    """Four games at once instead of 16: the same code, a quarter of the wait."""
    monkeypatch.setattr(from_preferences, "NUM_ENVS", 4)


@pytest.fixture
def store(tmp_path):
    return PreferenceStore(tmp_path / "labels.sqlite")


def rounds_of(store: PreferenceStore, folder: Path) -> LabelRounds:
    return LabelRounds(AtariFromPreferences(SHORT), store, "pong-test", folder / "run.pt")


def answered(rounds: LabelRounds, number: int) -> list:
    labeler = rounds.ask(number, PointsJudge())
    labeler.answer_scripted()
    return labeler.require()


def weights(rounds: LabelRounds) -> torch.Tensor:
    parameters = (*rounds.run.network.parameters(), *rounds.run.ensemble.parameters())
    return torch.cat([p.detach().flatten() for p in parameters])


def test_a_round_asks_once_and_is_passed_over_when_done(store, tmp_path):
    rounds = rounds_of(store, tmp_path)
    assert rounds.ask(1).target == rounds.ask(1).target == 4, "the same cell twice must not ask more"
    fit = rounds.fit(answered(rounds, 1), 1)
    assert fit.pairs == 4 and rounds.fit([], 1) is fit
    assert len(list(rounds.train(1))) == 1 and rounds.round == 2
    assert list(rounds.train(1)) == [] and rounds.fit([], 1) is fit and rounds.ask(1).target == 4
    assert "round 2 is due; 4 of 8 labels by scripted" in repr(rounds)


def test_tomorrow_goes_on_where_today_stopped(store, tmp_path):
    today = rounds_of(store, tmp_path)
    today.fit(answered(today, 1), 1)
    list(today.train(1))
    today.ask(2)                                            # the lid closes while the second round waits
    tomorrow = rounds_of(store, tmp_path)
    assert tomorrow.round == 2 and torch.equal(weights(today), weights(tomorrow))
    assert tomorrow.ask(1).target == 4 and tomorrow.ask(2).target == 8, "the waiting pairs are asked, no others"
    assert tomorrow.fit(answered(tomorrow, 2), 2).pairs == 8


def test_training_that_was_stopped_goes_on_with_the_labels_it_has(store, tmp_path):
    rounds = rounds_of(store, tmp_path)
    preferences = answered(rounds, 1)
    rounds.fit(preferences, 1)
    rounds.train(1).close()                                 # stopped before its first update
    assert rounds.round == 1 and rounds.fit(preferences, 1).pairs == 4, "labels must not be taken in twice"
    assert len(list(rounds.train(1))) == 1


def test_the_long_last_round_is_kept_while_it_runs(store, tmp_path):
    rounds = rounds_of(store, tmp_path)
    for number in (1, 2):
        rounds.fit(answered(rounds, number), number)
        training = rounds.train(number)
        next(training)
        if number == 1:
            list(training)
    training.close()                                        # all labels are in; stopped after one of three updates
    again = rounds_of(store, tmp_path)
    assert again.round == 2 and again.run.ppo.updates == 2
    assert len(list(again.train(2))) == 2 and again.run.finished and again.round == 3


def test_steps_out_of_turn_say_what_comes_first(store, tmp_path):
    rounds = rounds_of(store, tmp_path)
    with pytest.raises(NotThisRound, match="comes after round 1"):
        rounds.ask(2)
    with pytest.raises(NotThisRound, match="fit.* comes first"):
        next(rounds.train(1))
    rounds.ask(1)
    with pytest.raises(CourseError, match="every pair was skipped"):
        rounds.fit([], 1)


def test_a_second_source_is_refused(store, tmp_path):
    rounds = rounds_of(store, tmp_path)
    rounds.ask(1)
    for number, question in enumerate(sorted(rounds._questions(1))):
        who = ("ann", "human") if number % 2 else ("scripted", "scripted")
        store.answer(question, "left", labeler=who[0], source=who[1])
    with pytest.raises(ValueError, match="would mix human and scripted"):
        rounds.fit(store.preferences("pong-test"), 1)
