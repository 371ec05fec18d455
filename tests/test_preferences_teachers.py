"""Imperfect teachers: chances and thresholds by the formulas of Lee et al. (2021); asked again, the same answer."""

import math

import numpy as np
import pytest
import torch
from preference_loop import STEPS, make

from course_lib.errors import CourseError
from course_lib.preferences.algorithm import run_preference_loop
from course_lib.preferences.cartpole import (
    CartPoleLabeler,
    CartPoleTask,
    cartpole_teachers,
    mark,
    step_marks,
)
from course_lib.preferences.loop import LoopConfig
from course_lib.preferences.segments import Segment
from course_lib.preferences.teachers import LeftWhenUnsure, Teacher, rational_preference


def first_number(clip: Segment) -> torch.Tensor:
    """Marks of a made-up task: the first number of each observation."""
    return clip.obs[:, 0]


def clips(count: int, length: int = 5, seed: int = 0) -> list[Segment]:
    """Clips whose marks are standard normal numbers."""
    return [Segment(obs) for obs in torch.randn(count, length, 3, generator=torch.Generator().manual_seed(seed))]


def pairs(count: int, seed: int = 0) -> list[tuple[Segment, Segment]]:
    made = clips(2 * count, seed=seed)
    return list(zip(made[:count], made[count:], strict=True))


def clip(*marks: float) -> Segment:
    return Segment(torch.tensor([[value, 0.0, 0.0] for value in marks]))


@pytest.mark.parametrize(("beta", "gamma"), [(1.0, 1.0), (0.3, 0.9), (5.0, 0.5), (0.0, 1.0)])
def test_the_probability_of_the_paper(beta, gamma):
    """P = exp(beta G1) / (exp(beta G1) + exp(beta G2)), G the sum of gamma^(H - t) r_t, t = 1..H."""
    r1, r2 = np.array([1.0, -2.0, 0.5, 0.25]), np.array([0.0, 1.0, -1.5, 0.75])
    g1, g2 = (sum(gamma ** (len(r) - t) * r[t - 1] for t in range(1, len(r) + 1)) for r in (r1, r2))
    expected = math.exp(beta * g1) / (math.exp(beta * g1) + math.exp(beta * g2))
    assert rational_preference(r1, r2, beta, gamma) == pytest.approx(expected, abs=1e-12)
    assert rational_preference(r2, r1, beta, gamma) == pytest.approx(1 - expected, abs=1e-12)


def test_rationality_from_chance_to_certainty():
    good, bad = np.array([3.0, 2.0]), np.array([1.0, 1.0])
    assert rational_preference(good, bad, beta=0.0) == 0.5
    assert rational_preference(good, bad) == 1.0 and rational_preference(bad, good) == 0.0
    assert rational_preference(good, bad, beta=1e6) == 1.0                          # no overflow
    assert rational_preference(good, good[::-1]) == 0.5 and rational_preference(bad, bad, beta=3.0) == 0.5


def test_answers_are_as_often_right_as_the_formula_says():
    teacher, expected, preferred = Teacher(first_number, beta=0.5), 0.0, 0.0
    for one, two in pairs(3000):
        expected += rational_preference(one.obs[:, 0].numpy(), two.obs[:, 0].numpy(), beta=0.5) / 3000
        preferred += (teacher(one, two) == float(one.obs[:, 0].sum() > two.obs[:, 0].sum())) / 3000
    sure = np.mean([max(p, 1 - p) for p in (rational_preference(one.obs[:, 0].numpy(), two.obs[:, 0].numpy(), beta=0.5)
                                            for one, two in pairs(3000))])
    assert abs(preferred - sure) < 0.03 and abs(expected - 0.5) < 0.03              # three standard errors


def test_the_oracle_prefers_the_larger_sum():
    teacher = Teacher(first_number)
    for one, two in pairs(50):
        assert teacher(one, two) == float(one.obs[:, 0].sum() > two.obs[:, 0].sum())
    assert teacher(clip(1, 2), clip(2, 1)) == 0.5


@pytest.mark.parametrize("epsilon", [0.1, 0.4])
def test_the_share_of_mistakes(epsilon):
    oracle, teacher = Teacher(first_number), Teacher(first_number, epsilon=epsilon)
    asked = pairs(3000)
    wrong = np.mean([teacher(one, two) != oracle(one, two) for one, two in asked])
    assert abs(wrong - epsilon) < 0.03
    assert Teacher(first_number, epsilon=1.0)(*asked[0]) == 1 - oracle(*asked[0])
    assert Teacher(first_number, epsilon=1.0, delta_equal=100.0)(*asked[0]) == 0.5      # equal is never turned round


def test_equal_below_the_threshold_and_not_at_it():
    teacher = Teacher(first_number, delta_equal=2.0)
    assert teacher(clip(1.0, 0.5), clip(0.0, 0.0)) == 0.5
    assert teacher(clip(1.0, 1.0), clip(0.0, 0.0)) == 1.0 and teacher(clip(0.0, 0.0), clip(1.0, 1.0)) == 0.0
    short_sighted = Teacher(first_number, delta_equal=2.0, gamma=0.1)                   # thresholds see plain sums
    assert short_sighted(clip(3.0, 0.0), clip(0.0, 0.0)) == 1.0


def test_skips_where_both_clips_are_poor():
    teacher = Teacher(first_number, delta_skip=-4.0, delta_equal=1.0)
    assert teacher(clip(-5.0, 0.0), clip(-5.0, -0.5)) is None                           # equal, but skipped first
    assert teacher(clip(-4.0, 0.0), clip(-9.0, 0.0)) == 1.0                             # one of them is not poor
    assert teacher(clip(-9.0, 0.0), clip(0.0, 0.0)) == 0.0
    assert teacher.answers == [None, 1.0, 0.0] and teacher.ties == 0


def test_the_myopic_teacher_looks_at_the_end():
    early, late = clip(9.0, 0.0, 0.0, 0.0), clip(0.0, 0.0, 0.0, 1.0)
    assert Teacher(first_number)(early, late) == 1.0
    assert Teacher(first_number, gamma=0.4)(early, late) == 0.0                         # .4^3 * 9 = .58 < 1
    assert Teacher(first_number, gamma=0.5)(early, late) == 1.0                         # .5^3 * 9 = 1.13 > 1


def test_a_mark_for_the_whole_clip_does_as_well():
    teacher = Teacher(lambda clip: float(clip.obs.sum()), gamma=0.5)
    assert teacher(clip(3.0, 0.0), clip(0.0, 2.0)) == 1.0


EVERY = {"oracle": {}, "mistakes": {"epsilon": 0.3}, "stochastic": {"beta": 0.2}, "equal": {"delta_equal": 1.5},
         "skips": {"delta_skip": -1.0}, "myopic": {"gamma": 0.7},
         "all at once": {"epsilon": 0.2, "beta": 0.5, "delta_equal": 0.7, "delta_skip": -1.0, "gamma": 0.8}}


@pytest.mark.parametrize("settings", EVERY.values(), ids=EVERY)
def test_the_same_answer_whichever_clip_stands_first_and_whenever_asked(settings):
    asked = pairs(200)
    teacher = Teacher(first_number, seed=4, **settings)
    answers = [teacher(one, two) for one, two in asked]
    backwards = [teacher(two, one) for one, two in asked]
    assert backwards == [None if mu is None else 1 - mu for mu in answers]
    another = Teacher(first_number, seed=4, **settings)                                 # in another order, elsewhere
    assert [another(one, two) for one, two in reversed(asked)] == answers[::-1]
    assert len(set(answers)) > 1


@pytest.mark.parametrize("settings", [{"epsilon": 0.3}, {"beta": 0.2}])
def test_another_seed_errs_elsewhere(settings):
    answers = [[Teacher(first_number, seed=seed, **settings)(one, two) for one, two in pairs(100)] for seed in (0, 1)]
    assert answers[0] != answers[1]


def test_left_when_unsure_is_biased_and_only_then():
    teacher, fair = LeftWhenUnsure(first_number, delta_equal=2.0), Teacher(first_number, delta_equal=2.0)
    asked = pairs(300)
    unsure = [pair for pair in asked if fair(*pair) == 0.5]
    assert 50 < len(unsure) < 250
    assert all(teacher(one, two) == 1.0 == teacher(two, one) for one, two in unsure)    # the left one, either way round
    assert all(teacher(*pair) == fair(*pair) for pair in asked if fair(*pair) != 0.5)
    assert teacher(clip(1, 2), clip(2, 1)) == 1.0
    assert LeftWhenUnsure(first_number)(clip(1, 2), clip(2, 1)) == 1.0                  # also where sums are the same


@pytest.mark.parametrize("wrong", [{"beta": -1.0}, {"epsilon": 1.5}, {"delta_equal": -0.1}, {"gamma": 1.1},
                                   {"epsilon": math.nan}])
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*give a number from"):
        Teacher(first_number, **wrong)


def test_the_marks_of_a_clip_are_those_of_its_steps():
    obs = torch.zeros(25, 4)
    obs[:, 0], obs[3, 2] = 1.2, 0.3
    steps = step_marks(obs)
    assert steps.shape == (25,) and steps[3] < -10 and steps[0] == pytest.approx(-0.25)
    assert mark(obs) == pytest.approx(float(steps.sum()))


def cart(*positions: float) -> Segment:
    """A clip with an upright pole and a cart that stands at these places, m."""
    obs = torch.zeros(len(positions), 4)
    obs[:, 0] = torch.tensor(positions)
    return Segment(obs)


def test_cartpoles_teachers_do_what_their_names_say():
    teachers = cartpole_teachers(seed=1)
    near, far = cart(*[0.0] * 25), cart(*[2.0] * 25)                                    # marks 0 and -10.4
    assert all(teachers[name](near, far) == 1.0 for name in ("oracle", "equal", "skips", "myopic", "left when unsure"))
    close = cart(*[0.1] * 25)                                                           # mark -0.5
    assert teachers["oracle"](near, close) == 1.0 and teachers["equal"](near, close) == 0.5
    assert teachers["left when unsure"](close, near) == 1.0
    leaves, returns = cart(*np.linspace(0, 1.5, 25)), cart(*np.linspace(1.6, 0, 25))    # the second a bit further away
    assert teachers["oracle"](leaves, returns) == 1.0 and teachers["myopic"](leaves, returns) == 0.0
    down = near.obs.clone()
    down[[5, 15, 20], 2] = 0.3
    assert teachers["skips"](Segment(down), Segment(down + 0.01)) is None
    assert teachers["skips"](Segment(down), far) == 0.0


def skip_far(left: Segment, right: Segment) -> float | None:
    """Skips about half of the pairs."""
    gap = float(left.obs[-1, 0] - right.obs[-1, 0])
    return None if abs(gap) < 0.05 else float(gap > 0)


def test_a_skip_goes_through_the_loop_and_brings_no_label(tmp_path):
    loop = make(tmp_path)
    loop.collect()
    labeler = loop.labeler(skip_far)
    assert labeler.answer_synthetic() == 5 and loop.answered == 5
    skipped = labeler.counts.skip
    assert 0 < skipped < 5 == loop.answered and loop.skipped == skipped
    assert loop.label(labeler.require()) == 5 - skipped
    assert f"5 of 5 pairs answered by a script, {skipped} skipped" in loop._repr_html_()
    loop.fit()
    list(loop.train())
    loop.collect()
    assert loop.labeler(skip_far).answer_synthetic() == 4                               # later rounds ask as many


def test_a_labeler_that_only_skips_is_told_of(tmp_path):
    loop = make(tmp_path)
    loop.collect()
    labeler = loop.labeler(lambda left, right: None)
    labeler.answer_synthetic()
    with pytest.raises(CourseError, match="every pair was skipped.*None is a skip"):
        loop.label(labeler.require())


def test_a_run_without_skips_says_nothing_of_them(tmp_path):
    loop = make(tmp_path)
    for stage in ("collect", "label", "fit"):
        STEPS[stage](loop)
    assert loop.skipped == 0 and "skipped" not in loop._repr_html_()


def test_the_algorithm_on_one_page_leaves_skipped_pairs_out():
    from preference_loop import SMALL

    config = LoopConfig(labels=(8,), updates=(1,), clip_steps=8, ppo=SMALL.ppo, reward=SMALL.reward)
    marks = CartPoleLabeler()
    learned = next(run_preference_loop(CartPoleTask(num_envs=4, width=24), skip_far, config))
    assert 0 < len(learned.preferences) < 8 and all(p.mu in (0.0, 1.0) for p in learned.preferences)
    everything = next(run_preference_loop(CartPoleTask(num_envs=4, width=24), marks, config))
    assert len(everything.preferences) == 8
