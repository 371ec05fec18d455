"""What the preference loop promises, on every task alike: a new task joins by one line in `TASKS_SMALL`."""

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
import pytest
import torch
from test_lm_answer_reward import READ
from test_lm_answer_task import PROMPTS, ShorterAnswer, tiny_policy

import course_lib.atomic
from course_lib.atari.donkey_kong import KongClimbLabeler
from course_lib.atari.reward_ensemble import FitConfig
from course_lib.atari.synthetic_labelers import PongPointsLabeler
from course_lib.atari.tasks import TASKS
from course_lib.errors import CourseError
from course_lib.hopper.labelers import hopper_labeler
from course_lib.hopper.task import HopperTask
from course_lib.labels.store import PreferenceStore
from course_lib.lm.answer_ensemble import AnswerRewardConfig
from course_lib.lm.answer_task import TRAINING, AnswerConfig, AnswerTask
from course_lib.preferences.algorithm import run_preference_loop
from course_lib.preferences.bradley_terry import bradley_terry_loss, segment_return
from course_lib.preferences.cartpole import CartPoleLabeler, CartPoleTask
from course_lib.preferences.environment_task import EnvironmentTask, LoopConfig
from course_lib.preferences.hidden_reward import RewardIsHidden
from course_lib.preferences.loop import PreferenceLoop
from course_lib.preferences.reward_ensemble import Fit
from course_lib.preferences.reward_model import RewardConfig
from course_lib.preferences.segments import disagreement
from course_lib.preferences.synthetic_labeler import SyntheticLabeler
from course_lib.preferences.task import PreferenceTask, RoundsConfig
from course_lib.processes import session_name
from course_lib.rl.objectives import clipped_policy_loss
from course_lib.rl.ppo import PPOConfig


@dataclass(frozen=True)
class Small:
    """A task with settings that take a fraction of a second: rounds of 4 and 2 pairs, 1 and 2 updates."""

    task: PreferenceTask
    config: RoundsConfig
    labeler: Callable[[], SyntheticLabeler]
    few: int = 6                            # a pool with two segments more than the four pairs of round 1 need


PPO_SMALL = PPOConfig(num_steps=24, epochs=1, minibatch_size=64)


def small_atari(name: str, labeler: Callable[[], SyntheticLabeler]) -> Small:
    task = replace(TASKS[name], num_envs=1)
    return Small(task, task.config(total_steps=3 * 24, labels=6, first_labels=4, labels_a_round=2, updates_a_round=1,
                                   reward=FitConfig(members=2, first_steps=3, steps=2), ppo=PPO_SMALL, rollouts=1,
                                   clip_steps=4, pool=40, save_every=2, seed=3), labeler)


def small_answers(method: str) -> Small:
    """A tiny chat model: no environments, so no true reward, no boundary, no PPO; pairs keep to one prompt."""
    training = replace(TRAINING[method], batch_size=4, learning_rate=1e-2)
    if method != "dpo":
        training = replace(training, samples_per_prompt=2, minibatch_size=4)
    return Small(AnswerTask(prompts=tuple(PROMPTS), policy=tiny_policy), AnswerConfig(
        labels=(4, 2), updates=(1, 2), save_every=2, seed=3, max_new_tokens=8, training=training,
        reward=AnswerRewardConfig(reads=READ)), ShorterAnswer, few=8)


TASKS_SMALL = {
    "cartpole": Small(CartPoleTask(num_envs=4, width=24), LoopConfig(
        labels=(4, 2), updates=(1, 2), clip_steps=4, pool=30, save_every=2, seed=3, ppo=PPO_SMALL,
        reward=RewardConfig(members=2, hidden=8, fit_steps=4)), CartPoleLabeler),
    **{name: small_atari(name, PongPointsLabeler) for name in ("pong frames", "pong objects")},
    "hopper": Small(HopperTask(num_envs=4, width=24), LoopConfig(
        labels=(4, 2), updates=(1, 2), clip_steps=4, pool=30, absorbing_steps=0, save_every=2, seed=3, ppo=PPO_SMALL,
        reward=RewardConfig(members=2, hidden=8, fit_steps=4)), hopper_labeler),
    "donkey kong objects": small_atari("donkey kong objects", KongClimbLabeler),
    **{f"answers {method}": small_answers(method) for method in ("dpo", "rloo", "rejection")},
}
IN_ENVIRONMENTS = [name for name, small in TASKS_SMALL.items() if isinstance(small.task, EnvironmentTask)]


@pytest.fixture(params=TASKS_SMALL)
def small(request) -> Small:
    return TASKS_SMALL[request.param]


@pytest.fixture(params=IN_ENVIRONMENTS)
def small_in_environments(request) -> Small:
    """For promises that speak of environments: a sealed reward, a boundary, PPO's own functions."""
    return TASKS_SMALL[request.param]


def make(small: Small, folder: Path, **options) -> PreferenceLoop:
    store = PreferenceStore(folder / "labels.sqlite")
    return PreferenceLoop(small.task, store, folder / "run", "contract", small.config, **options)


def step(loop: PreferenceLoop, small: Small) -> None:
    """Take the step that is due; the synthetic labeler answers."""
    if loop.stage == "label":
        labeler = loop.labeler(small.labeler())
        labeler.answer_synthetic()
        loop.label(labeler.require())
    elif loop.stage == "train":
        list(loop.train())
    else:
        getattr(loop, loop.stage)()


def finish(loop: PreferenceLoop, small: Small) -> PreferenceLoop:
    while loop.stage != "finished":
        step(loop, small)
    return loop


def weights(*networks: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten().float() for network in networks for p in network.parameters()])


def outcome(loop: PreferenceLoop) -> list[torch.Tensor]:
    """All that two equal runs share, to the last digit."""
    curve = [value for point in loop.trainer.history for name, value in asdict(point).items() if name != "cpu_seconds"]
    return [weights(loop.network, loop.ensemble), *loop.preferences.first, loop.preferences.mu,
            torch.tensor([fit.loss for fit in loop.fits]), torch.tensor(curve).nan_to_num(nan=-1e9)]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_killed_at_each_write_it_goes_on_and_ends_the_same(tmp_path, small, monkeypatch):
    """The disk as a kill would leave it, before and after each file is swapped in: from each a new loop goes on."""
    rename, left = os.replace, []

    def keep() -> None:
        copy = tmp_path / f"killed-{len(left)}"
        shutil.copytree(tmp_path / "whole", copy)
        left.append(copy)

    def watched(source: object, target: object) -> None:
        if not left:
            keep()                                          # before the very first; later ones are as after the last
        rename(source, target)
        keep()

    with monkeypatch.context() as patch:
        patch.setattr(course_lib.atomic.os, "replace", watched)
        whole = finish(make(small, tmp_path / "whole"), small)
    # one file at each of 8 steps and once within training, and the trainer's: games that cannot be copied have it only
    # when the agent has learned, twice and within training
    copied = hasattr(getattr(whole.trainer, "envs", whole.trainer.network), "state_dict")
    assert len(left) == 1 + 9 + (9 if copied else 3)
    before = None
    for folder in left:
        state = folder / "run" / "loop.pt"
        now = state.read_bytes() if state.exists() else None
        loop = make(small, folder)
        if now is None or now != before:                    # else killed between two files: the same state, taken up
            assert same(outcome(finish(loop, small)), outcome(whole)), folder.name
        before = now
        shutil.rmtree(folder)


def test_an_added_round_is_taken_up_wherever_it_was_left(tmp_path, small):
    """A finished run of three updates gets one pair and two updates more; new clips are cut for it."""
    finish(make(small, tmp_path / "whole"), small)
    shutil.copytree(tmp_path / "whole", tmp_path / "left")
    whole = make(small, tmp_path / "whole")
    whole.add_round(labels=1, updates=2, round=3)
    finish(whole, small)
    assert len(whole.asked) == len(whole.preferences.mu) == 7 and whole.trainer.updates == 5
    left = make(small, tmp_path / "left")
    left.add_round(labels=1, updates=2, round=3)
    while left.stage != "finished":
        left = make(small, tmp_path / "left")
        if left.stage == "train":
            next(left.train())
            left = make(small, tmp_path / "left")
        step(left, small)
    assert same(outcome(left), outcome(whole))
    assert [p.learning_rate for p in left.trainer.history] == [p.learning_rate for p in whole.trainer.history]


def test_a_round_is_added_in_the_process_that_finished(tmp_path, small):
    """The same as in a new one: games keep their pictures again, and the first clips are of what is learned now."""
    loop = finish(make(small, tmp_path / "one"), small)
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    loops = loop, make(small, tmp_path / "other")
    for each in loops:
        each.add_round(labels=1, updates=1)
        finish(each, small)
    assert same(outcome(loops[0]), outcome(loops[1]))


def test_weights_reach_the_fit(tmp_path, small):
    """How sure a person was is stored as a weight, and the reward model that is fitted depends on it."""
    fitted = []
    for confidence in (None, 9):
        loop = make(small, tmp_path / str(confidence))
        loop.collect()
        questions = sorted(loop.asked)
        for number, question in enumerate(questions):
            loop.store.answer(question, "left" if number % 2 else "right", labeler="ann",
                              confidence=confidence and (9 if number % 2 else 4))
        loop.label(loop.store.preferences("contract"))
        seen = []

        def noted(r1, r2, mu, error_rate, *, weight, seen=seen):
            seen.append(weight)
            return bradley_terry_loss(r1, r2, mu, error_rate, weight=weight)

        loop.ensemble.loss = noted
        loop.fit()
        assert all(w is not None for w in seen)
        fitted.append((loop.preferences.weight, weights(loop.ensemble)))
    (even, one), (uneven, other) = fitted
    assert (even == 1).all() and uneven.unique().numel() == 2
    assert not torch.equal(one, other)


def test_two_notebooks_serve_different_pairs_and_one_of_them_may_go_on(tmp_path, small):
    one = make(small, tmp_path)
    one.collect()
    two = make(small, tmp_path)
    sessions = [loop.labeler(small.labeler()).session for loop in (one, two)]
    parent = psutil.Process(os.getppid())                   # another living process of this machine
    sessions[1].name = f"{session_name().split(':')[0]}:{parent.pid}:{parent.create_time():.0f}"
    served = [{question.question_id for question in session.next(2)} for session in sessions]
    assert len(served[0]) == len(served[1]) == 2 and not served[0] & served[1]
    step(two, small)
    with pytest.raises(CourseError, match="Another notebook has taken the run .* further"):
        step(one, small)
    assert make(small, tmp_path).stage == "fit"


def test_a_mixed_run_is_refused_with_the_way_out_named(tmp_path, small):
    loop = make(small, tmp_path)
    loop.collect()
    first, *others = sorted(loop.asked)
    loop.store.answer(first, "left", labeler="ann")
    for question in others:
        loop.store.answer(question, "left", labeler="scripted", source="scripted")
    preferences = loop.store.preferences("contract")
    with pytest.raises(CourseError, match=r"mix 1 labels of a person and 3 of a script.*keep_only\(\"human\"\).*"
                       r"keep_only\(\"scripted\"\).*mixed=True"):
        loop.label(preferences)
    assert loop.stage == "label" and loop.label(preferences, mixed=True) == 4 and loop.source == "mixed"


def test_each_way_out_of_a_mixed_run_works(tmp_path, small):
    for source, again in (("human", 3), ("scripted", 1)):
        folder = tmp_path / source
        loop = make(small, folder)
        loop.collect()
        labeler = loop.labeler(small.labeler(), labeler="ann")
        loop.store.answer(min(loop.asked), "left", labeler="ann")
        labeler.answer_synthetic()
        assert labeler.keep_only(source) == again
        for question in sorted(loop.asked.keys() - loop.store.answered_questions("contract")):
            loop.store.answer(question, "left", labeler="ann") if source == "human" else labeler.answer_synthetic()
        assert loop.label(labeler.require()) > 0 and loop.source == source


def test_answers_that_the_loop_has_taken_are_not_taken_back(tmp_path, small):
    loop = make(small, tmp_path)
    loop.collect()
    for question in sorted(loop.asked):
        loop.store.answer(question, "left", labeler="ann")
    labeler = loop.labeler(labeler="ann")
    undo = {"type": "undo", "have": []}
    assert labeler.session.handle({**undo, "id": "u1"})["done"] == 3, "before, they are"
    loop.store.answer(max(loop.asked), "left", labeler="ann")
    loop.label(labeler.require())
    for stage in ("fit", "train", "collect", "label"):
        assert loop.stage == stage
        state = labeler.session.handle({**undo, "id": "u2"})
        assert "round 1 are already used for training" in state["note"] and state["done"] == 4
        step(loop, small)


def test_labels_that_trained_stay_and_the_message_names_what_is_left(tmp_path, small):
    """Round 1 by the script, round 2 by a person: only the person's labels can still be set aside."""
    loop = make(small, tmp_path)
    while loop.round == 1:
        step(loop, small)
    loop.collect()
    labeler = loop.labeler(small.labeler(), labeler="ann")
    for question in sorted(loop.asked.keys() - loop.store.answered_questions("contract")):
        loop.store.answer(question, "left", labeler="ann")
    with pytest.raises(CourseError) as raised:
        loop.label(labeler.require())
    assert 'keep_only("scripted")' in str(raised.value) and 'keep_only("human")' not in str(raised.value)
    assert labeler.keep_only("human") == 0 and labeler.keep_only("scripted") == 2
    labeler.answer_synthetic()
    assert loop.label(labeler.require()) > 0 and loop.source == "scripted"


def test_no_pair_is_asked_about_twice(tmp_path, small):
    """Not even where only two clips more than needed are at hand, and not in a later round."""
    few = replace(small, config=replace(small.config, pool=small.few))
    loop = finish(make(few, tmp_path), few)
    pairs = [frozenset((p.sigma1.item_id, p.sigma2.item_id)) for p in loop.store.preferences("contract")]
    assert len(loop.asked) == len(pairs) == len(set(pairs)) == 6 and all(len(pair) == 2 for pair in pairs)


def test_the_true_reward_raises_when_read(tmp_path, small_in_environments):
    envs = make(small_in_environments, tmp_path).trainer.envs
    envs.reset(seed=0)
    reward = envs.step(envs.action_space.sample())[1]
    with pytest.raises(RewardIsHidden):
        reward.sum()


def test_the_learners_own_functions_enter_by_the_constructor(tmp_path, small_in_environments):
    small = small_in_environments
    called = dict.fromkeys(("select", "loss", "segment_return", "boundary", "policy_loss"), 0)

    def noting(name: str, function: Callable) -> Callable:
        def call(*arguments, **options):
            called[name] += 1
            return function(*arguments, **options)

        return call

    own = {"select": disagreement(), "loss": bradley_terry_loss, "segment_return": segment_return,
           "boundary": lambda rollout: torch.zeros_like(rollout.ended), "policy_loss": clipped_policy_loss}
    loop = finish(make(small, tmp_path, **{name: noting(name, f) for name, f in own.items()}), small)
    assert all(called.values()), called
    assert all(isinstance(fit, Fit) for fit in loop.fits)


def test_the_algorithm_on_one_page_takes_the_same_steps(small):
    *_, learned = run_preference_loop(small.task, small.labeler(), small.config)
    assert learned.progress.update == 3 and len(learned.preferences) == 6 and learned.fit.pairs == 6
    assert not torch.equal(weights(learned.network), weights(small.task.network(3)))
