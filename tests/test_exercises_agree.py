"""agrees and its random inputs: what they find, what they let pass, and what a miss shows."""

import time

import numpy as np
import pytest
import torch

from course_lib.exercises.agree import agrees
from course_lib.exercises.checking import run_case
from course_lib.exercises.compare import Fail
from course_lib.exercises.draws import Draw, beside
from course_lib.exercises.guard import Guard
from course_lib.exercises.mixed_up import listening
from course_lib.exercises.registry import Case, Exercise


def centred(r):
    """The course's own."""
    return r - r.mean(-1, keepdim=True)


def rows(rng):
    """Scores of any number of rows."""
    return (rng.normal(rng.length(), rng.length(), scale=3),)


def miss(fn, **options) -> Fail:
    """What `agrees` says about a wrong function."""
    with pytest.raises(Fail) as caught:
        agrees(Guard(fn, "centred"), centred, rows, **options)
    return caught.value


def in_numpy(r):
    r = r.numpy()
    return r - r.mean(-1, keepdims=True)


def needs_float32(r):
    return r - r @ torch.full((r.shape[-1], r.shape[-1]), 1 / r.shape[-1])


def needs_contiguous(r):
    return r - r.view(len(r), -1).mean(-1, keepdim=True)


@pytest.mark.parametrize("fn", [
    centred, in_numpy, needs_float32, needs_contiguous, lambda r: centred(r.double()), lambda r: centred(r.clone()),
])
def test_right_answers_in_other_words_pass(fn):
    agrees(Guard(fn, "centred"), centred, rows)


def test_a_difference_is_shown_on_a_small_input_with_whole_tensors():
    fail = miss(lambda r: r - r.mean())
    assert fail.call.startswith("centred([[") and "shape" not in fail.call
    assert fail.expected.startswith("tensor [[") and len(fail.call) < 60
    assert "differ" in fail.mistake


def test_the_likely_mistake_is_named_only_when_it_explains_more_than_the_small_input():
    likely = [(lambda r: r, "Nothing was subtracted."), (lambda r: r - r.mean(), "One mean over all rows.")]
    assert miss(lambda r: r - r.mean(), likely=likely).mistake == "One mean over all rows."
    other = miss(lambda r: r - r.amin(-1, keepdim=True), likely=likely, otherwise="Rows differ.")
    assert other.mistake.startswith("Rows differ. ")


@pytest.mark.parametrize(("fn", "says"), [
    (lambda r: None, "None back"), (lambda r: r.tolist(), "a list back"), (lambda r: r, "The value is off by"),
    (lambda r: centred(r).mean(), "One number came"),
])
def test_wrong_types_and_shapes_have_their_words(fn, says):
    assert says in miss(fn).mistake


def test_a_write_into_the_argument_is_reported():
    assert "wrote into its argument" in miss(lambda r: r.sub_(r.mean(-1, keepdim=True))).mistake


def test_values_that_are_wrong_for_strided_tensors_only_are_told_as_that():
    def by_memory(r):
        lying = torch.as_strided(r, r.shape, (r.shape[1], 1)) if r.numel() > 1 else r
        return centred(lying)

    assert "contiguous" in miss(by_memory).mistake


def test_an_error_is_shown_with_its_own_line_on_a_small_input():
    space = {}
    exec(compile("def forgets_a_row(r):\n    return r - r[1].mean()\n", "learner.py", "exec"), space)
    exercise = Exercise("99.9", "t", "centred", 1, "implement", 1, 1, 1, "x:y", ("a", "b", "c"))
    case = Case("any", lambda fn: agrees(fn, centred, rows), 5.0)
    outcome = run_case(exercise, case, space["forgets_a_row"])
    assert outcome.got.startswith("IndexError") and outcome.where == "learner.py, line 2"
    assert outcome.call.startswith("centred([[") and outcome.call.count("[") == 2       # one row


def test_alternatives_are_right_only_when_one_of_them_is_kept_to():
    def over_n(r):
        return r / (r.std(-1, keepdim=True, correction=0) + 1)

    def over_n_less_1(r):
        return r / (r.std(-1, keepdim=True) + 1)

    def wide(rng):
        return (rng.normal(rng.length(), rng.length(2), scale=3),)

    for right in (over_n, over_n_less_1):
        agrees(Guard(right, "scaled"), over_n, wide, also=[over_n_less_1])
    with pytest.raises(Fail):
        agrees(Guard(lambda r: (over_n if r.shape[-1] % 2 else over_n_less_1)(r), "scaled"), over_n, wide,
               also=[over_n_less_1])


def test_parts_are_named_and_what_is_read_is_compared():
    def both(r):
        return r.sum(), r.amax()

    with pytest.raises(Fail, match="the maximum: "):
        agrees(Guard(lambda r: (r.sum(), r.amin()), "both"), both, rows, names=("the sum", "the maximum"))
    agrees(Guard(lambda r: [float(r.sum()), 7], "both"), both, rows, read=lambda got: float(got[0]), atol=1e-4)


def test_likely_mistakes_that_give_one_value_are_noted_while_somebody_listens():
    likely = [(lambda r: r + 1, "One more."), (lambda r: 1 + r, "One too many."), (centred, "Right.")]
    with listening() as notes:
        agrees(Guard(centred, "centred"), centred, rows, likely=likely)
    assert notes == ['the likely mistake "Right." gives the right value',
                     'the likely mistakes "One more." and "One too many." give one and the same value']


def test_a_passing_comparison_is_cheap():
    fn = Guard(centred, "centred")
    agrees(fn, centred, rows)
    rounds = []
    for _ in range(10):                                 # the quickest: other programs slow a processor down
        began = time.process_time()
        agrees(fn, centred, rows)
        rounds.append(time.process_time() - began)
    each = min(rounds)
    assert each < 0.050, f"{1000 * each:.1f} ms of CPU time"


def test_draws_are_repeatable_grow_and_reach_every_place():
    assert torch.equal(rows(Draw(3, 4))[0], rows(Draw(3, 4))[0])
    assert max(Draw(seed, 7).length() for seed in range(40)) == 7 and Draw(0, 1).length() == 1
    masks = [Draw(seed, 4).mask(3, 4) for seed in range(40)]
    starts = {int(row.float().argmax()) for mask in masks for row in mask}
    assert starts == {0, 1, 2, 3} and all(bool(mask.any(1).all()) for mask in masks)
    ends = [Draw(seed, 6).ends(6) for seed in range(40)]
    assert {int(end.sum()) for end in ends} >= {0, 1, 2, 3} and any(bool(end[-1]) for end in ends)
    assert beside(1.0) == [0.99, 1.0, 1.01] and set(np.unique(Draw(0, 9).among([1.0, 2.0], 50))) == {1.0, 2.0}
