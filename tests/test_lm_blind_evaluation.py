"""Old against new: sides are shuffled, wins counted from the new one's side, intervals as scipy's, KL as by hand."""

import numpy as np
import pytest
import torch
from test_lm_chat_policy import QUESTIONS, policy

from course_lib.errors import CourseError
from course_lib.labels.store import PreferenceStore
from course_lib.lm.answers import AnswerSegment
from course_lib.lm.blind_evaluation import (
    WinRate,
    Written,
    add_blind_pairs,
    blind_answers,
    blind_report,
    compare_blind,
    interval_by_prompt,
    wilson,
    win_rate,
    written,
)

OLD, NEW = [f"old {k}" for k in range(60)], [f"new {k}" for k in range(60)]
PROMPTS = [f"prompt {k}" for k in range(60)]


def likes(word):
    return lambda left, right: 0.5 if (word in left.answer) == (word in right.answer) else float(word in left.answer)


def test_wins_are_the_new_ones_whichever_side_they_stand_on():
    assert compare_blind(PROMPTS, OLD, NEW, likes("new")) == [1] * 60
    assert compare_blind(PROMPTS, OLD, NEW, likes("old")) == [0] * 60
    assert compare_blind(PROMPTS, OLD, NEW, lambda left, right: 0.5) == [0.5] * 60
    assert compare_blind(PROMPTS, OLD, NEW, lambda left, right: None) == [None] * 60


def test_a_labeler_with_a_favourite_side_gains_nothing_and_the_seed_fixes_the_sides():
    left = [compare_blind(PROMPTS, OLD, NEW, lambda left, right: 1, seed) for seed in (0, 0, 1)]
    assert left[0] == left[1] != left[2] and 15 < sum(left[0]) < 45


def test_the_labeler_sees_both_answers_and_their_prompt():
    seen = []
    compare_blind(["p"], ["a"], ["b"], lambda left, right: seen.append((left, right)) or 0.5)
    (left, right), = seen
    assert left.prompt == right.prompt == "p" and {left.answer, right.answer} == {"a", "b"}
    assert isinstance(left, AnswerSegment)


def test_equal_answers_tie_and_an_empty_one_loses_without_being_shown():
    def never(left, right):
        raise AssertionError

    assert compare_blind("pqrs", ["a", "", "a", " "], ["a ", "b", "", ""], never) == [0.5, 1, 0, 0.5]
    with pytest.raises(CourseError, match="no prompts"):
        compare_blind([], [], [], never)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (7, 10), (10, 10), (33, 64), (1, 1)])
def test_the_interval_is_scipys(successes, trials):
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_the_interval_by_hand_and_what_is_no_share():
    assert wilson(5, 10, z=1.0) == pytest.approx((0.5 - 0.5 / 11 ** 0.5, 0.5 + 0.5 / 11 ** 0.5))
    for successes, trials in ((-1, 4), (5, 4), (0, 0)):
        with pytest.raises(ValueError, match="no share"):
            wilson(successes, trials)


def test_a_tie_is_half_a_win_and_a_skip_is_nothing():
    rate = win_rate([1, 1, 0.5, 0, None])
    assert (rate.wins, rate.ties, rate.losses, rate.pairs) == (2, 1, 1, 4) and rate.rate == 0.625
    assert rate.interval == wilson(2.5, 4) and "0.62" in str(rate) and "2 wins, 1 ties, 1 losses" in str(rate)
    assert win_rate([None]).interval == (0.0, 1.0) and WinRate(0, 0, 0).pairs == 0
    with pytest.raises(ValueError, match="1 .the new one.*0.7"):
        win_rate([0.7])


def test_many_answers_to_few_prompts_say_less_than_as_many_prompts():
    prompts = [f"q{k // 5}" for k in range(200)]                       # 40 prompts, five answers each
    luck = np.random.default_rng(0)
    apart = [float(luck.random() < 0.7) for _ in prompts]              # every answer for itself
    together = [float(k // 5 % 10 < 7) for k in range(200)]            # a prompt's answers all win or all lose
    narrow, wide = interval_by_prompt(prompts, apart), interval_by_prompt(prompts, together)
    assert wide == pytest.approx(wilson(28, 40), abs=0.01)             # 40 draws, not 200
    exact = wilson(sum(apart), 200)
    assert exact[1] - exact[0] <= narrow[1] - narrow[0] < 1.3 * (exact[1] - exact[0])


def test_an_interval_by_prompt_does_not_close_up_and_leaves_skips_out():
    assert interval_by_prompt(["q", "q", "p"], [1.0, 1.0, 1.0]) == wilson(2, 2)
    assert interval_by_prompt(["q", "p", "r"], [1.0, None, 0.0]) == interval_by_prompt(["q", "r"], [1.0, 0.0])
    with pytest.raises(ValueError, match="nothing was compared"):
        interval_by_prompt(["q"], [None])


def test_an_interval_by_prompt_holds_the_truth_as_often_as_it_says():
    luck, held = np.random.default_rng(1), 0
    prompts = [f"q{k // 5}" for k in range(200)]
    for _ in range(600):
        rates = luck.beta(3, 2, 40)                                     # prompts differ; their mean is 0.6
        low, high = interval_by_prompt(prompts, [float(luck.random() < rates[k // 5]) for k in range(200)])
        held += low <= 0.6 <= high
    assert 0.91 < held / 600 < 0.99


def test_the_report_puts_old_and_new_side_by_side():
    old = Written(["p", "q"], ["a a a", "a a a"], torch.zeros(2), torch.tensor([3, 5]))
    new = Written(["p", "q"], ["a b c", "d e f"], torch.tensor([1.0, 3.0]), torch.tensor([2, 2]))
    report = blind_report(old, new, likes("d"))
    assert (report.win_rate.wins, report.win_rate.ties) == (1, 1) and report.kl == 2
    assert report.lengths == (4, 2) and report.distinct_2 == (0.25, 1)
    with pytest.raises(ValueError, match="different prompts"):
        blind_report(old, Written(["q", "p"], *list(vars(new).values())[1:]), likes("d"))


def test_what_is_written_has_the_kl_of_its_tokens_and_the_reference_has_none():
    made = policy()
    found = written(made, QUESTIONS, 8, seed=3, at_once=8)
    tokens, mask = made.sample(made.prompts(QUESTIONS), 8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        ratio = made.logprobs(tokens, mask).sum(1) - made.reference.logprobs(tokens, mask).sum(1)
    torch.testing.assert_close(found.kl, ratio, atol=1e-4, rtol=1e-4)
    assert torch.equal(found.lengths, mask.sum(1)) and found.kl.abs().max() > 0.01
    assert written(made.reference, QUESTIONS, 8).kl.abs().max() == 0
    assert len(written(made, QUESTIONS, 8, at_once=2).answers) == 3


def test_a_person_answers_the_pairs_in_the_widget(tmp_path):
    store = PreferenceStore(tmp_path / "labels.sqlite")
    prompts, nothing = ["p", "q", "r", "s"], torch.zeros(4)
    old = Written(prompts, ["old 1", "old 2", "same", ""], nothing, nothing)
    new = Written(prompts, ["new 1", "new 2", "same", "new 4"], nothing, nothing)
    assert add_blind_pairs(store, "blind", old, new) == add_blind_pairs(store, "blind", old, new) == 2
    for number, question in enumerate(store.questions_of("blind")):
        shown = store.question(question).shown
        wanted = "new" if number == 0 else "old"
        store.answer(question, "left" if shown[0].text.startswith(wanted) else "right", labeler="ann")
    assert blind_answers(store.preferences("blind")) == [1, 0]
