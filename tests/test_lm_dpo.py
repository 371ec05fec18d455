"""DPO, IPO and KTO: what the losses pull at, what the runs learn, stopping and going on, data that will not do."""

import math
from dataclasses import replace

import pytest
import torch
from test_lm_ppo import SHAPE

from course_lib.errors import CourseError
from course_lib.lm.data import rows_of_step
from course_lib.lm.dpo import DPO, DPOConfig, PreferencePairs, dpo_loss, implicit_rewards, ipo_loss
from course_lib.lm.generate import choice_logprobs, completion_rows, token_logprobs
from course_lib.lm.gpt import GPT
from course_lib.lm.kto import KTO, Judgements, KTOConfig, kto_baseline, kto_loss
from course_lib.training.checkpoint import CheckpointError
from course_lib.training.resume import TrainingDiverged

PROMPTS = [[0, 3], [0, 4, 9], [0, 9], [0, 2, 7, 8]]
LIKED, DISLIKED = [5, 5, 0], [6, 1, 2, 0]
PAIRS = PreferencePairs(PROMPTS * 2, [LIKED] * 4 + [DISLIKED] * 4, [DISLIKED] * 4 + [LIKED] * 4,
                        torch.tensor([1.0] * 4 + [0.0] * 3 + [0.5]))
CONFIG = DPOConfig(updates=8, batch_size=3, learning_rate=3e-3, checkpoint_every=2, seed=3)


def dpo(path=None, pairs=PAIRS, loss=dpo_loss, reference=None, **changes) -> DPO:
    return DPO(GPT(SHAPE, seed=1), reference or GPT(SHAPE, seed=1), pairs, 0, replace(CONFIG, **changes), path, loss)


def kto(path=None, **changes) -> KTO:
    settings = {"updates": 8, "batch_size": 5, "learning_rate": 3e-3, "checkpoint_every": 2, "seed": 3, **changes}
    return KTO(GPT(SHAPE, seed=1), GPT(SHAPE, seed=1), Judgements.of_pairs(PAIRS), 0, KTOConfig(**settings), path)


def curve(run) -> list[str]:
    return [repr(replace(point, cpu_seconds=0.0)) for point in run.history]


# the losses by hand


def test_dpo_is_minus_the_log_of_the_probability_of_the_preference():
    logprobs = [torch.tensor([-3.0]), torch.tensor([-4.0]), torch.tensor([-5.0]), torch.tensor([-3.5])]
    margin = 0.2 * ((-3.0 + 5.0) - (-4.0 + 3.5))                                        # .5
    by_mu = {mu: dpo_loss(*logprobs, torch.tensor([mu]), 0.2).item() for mu in (1.0, 0.5, 0.0)}
    assert by_mu[1.0] == pytest.approx(math.log(1 + math.exp(-margin)))
    assert by_mu[0.0] == pytest.approx(math.log(1 + math.exp(margin)))
    assert by_mu[0.5] == pytest.approx((by_mu[0.0] + by_mu[1.0]) / 2)


def test_an_untrained_policy_is_at_log_2_and_a_tie_leaves_it_there():
    same = -torch.rand(5, requires_grad=True)
    other = -torch.rand(5, requires_grad=True)
    for mu in (1.0, 0.0):
        loss = dpo_loss(same, other, same.detach(), other.detach(), torch.full((5,), mu), 0.3)
        assert loss.item() == pytest.approx(math.log(2), abs=1e-6)
    tie = dpo_loss(same, other, same.detach(), other.detach(), torch.full((5,), 0.5), 0.3)
    assert torch.autograd.grad(tie, same)[0].abs().max() < 1e-7


def test_ipo_wants_a_margin_of_one_over_two_beta_and_no_more():
    reference = torch.zeros(1)
    for margin, expected in ((2.5, 0.0), (4.5, 4.0), (0.5, 4.0)):
        found = ipo_loss(torch.tensor([margin - 1.0]), torch.tensor([-1.0]), reference, reference, torch.ones(1), 0.2)
        assert found.item() == pytest.approx(expected, abs=1e-5)
    assert ipo_loss(torch.ones(1), torch.zeros(1), reference, reference, torch.full((1,), 0.5), 0.2).item() == 1.0


def test_kto_by_hand_and_its_baseline_is_never_below_zero():
    logprobs, reference, good = torch.tensor([-1.0, -2.0]), torch.tensor([-3.0, -1.0]), torch.tensor([True, False])
    gains = 0.5 * (2.0 - 0.4), 0.5 * (-1.0 - 0.4)
    expected = (2 * (1 - 1 / (1 + math.exp(-gains[0]))) + 3 * (1 - 1 / (1 + math.exp(gains[1])))) / 2
    assert kto_loss(logprobs, reference, good, torch.tensor(0.4), 0.5, 2.0, 3.0).item() == pytest.approx(expected)
    assert kto_baseline(logprobs, reference).item() == pytest.approx(0.5)
    assert kto_baseline(reference, logprobs).item() == 0


def test_implicit_rewards_rank_two_completions_as_the_reward_that_made_the_policy():
    """The best policy for a reward at KL coefficient beta is reference * exp(reward / beta), made whole."""
    luck = torch.Generator().manual_seed(0)
    reward, reference = torch.randn(6, generator=luck), torch.randn(6, generator=luck).log_softmax(-1)
    best = (reference + reward / 0.7).log_softmax(-1)
    found = implicit_rewards(best, reference, 0.7)
    torch.testing.assert_close(found - found[0], reward - reward[0])


# rows


def test_rows_hold_each_completion_behind_its_own_prompt():
    tokens, mask = PAIRS.rows(torch.tensor([1, 4]), padding=0)
    assert tokens.tolist() == [[0, 4, 9, 5, 5, 0, 0], [0, 3, 6, 1, 2, 0, 0],
                               [0, 4, 9, 6, 1, 2, 0], [0, 3, 5, 5, 0, 0, 0]]
    chosen = [row[1:][keep].tolist() for row, keep in zip(tokens, mask, strict=True)]
    assert chosen == [LIKED, DISLIKED, DISLIKED, LIKED]


def test_padding_changes_no_log_probability():
    model = GPT(SHAPE, seed=1).eval()
    together = choice_logprobs(model, *PAIRS.rows(torch.arange(8), padding=0)).sum(1)
    for i, whole in enumerate(together):
        prompt, completion = (PAIRS.prompts * 2)[i], [*PAIRS.first, *PAIRS.second][i]
        tokens, _ = completion_rows([prompt], [completion], padding=0)
        alone = token_logprobs(model(tokens), tokens)[0, len(prompt) - 1:].sum()
        torch.testing.assert_close(whole, alone, atol=1e-5, rtol=1e-5)


def test_each_pass_takes_every_row_once_in_an_order_of_its_own():
    passes = [torch.cat([rows_of_step(step, 8, 3, seed=1) for step in range(start, start + 3)]).tolist()
              for start in (0, 3)]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(8)) and passes[0] != passes[1]
    assert passes[0] != torch.cat([rows_of_step(step, 8, 3, seed=2) for step in range(3)]).tolist()


# the runs


@pytest.mark.parametrize(("loss", "changes"), [(dpo_loss, {}), (ipo_loss, {"per_token": True}), (ipo_loss, {})])
def test_it_learns_what_is_preferred(loss, changes):
    run = dpo(loss=loss, updates=40, **changes)
    list(run.train())
    assert run.history[0].margin == pytest.approx(0, abs=1e-6) and run.history[0].accuracy == 0
    assert run.history[-1].accuracy == 1 and run.history[-1].margin > 0.01
    tokens, mask = completion_rows([[0, 3]] * 2, [LIKED, DISLIKED], 0)
    now, before = (choice_logprobs(model, tokens, mask).sum(1) for model in (run.policy, run.reference))
    assert (now - before)[0] > (now - before)[1] + 0.1
    assert run.history[-1].loss < run.history[0].loss


def test_ipo_stops_at_its_margin_where_dpo_goes_on():
    margins = [dpo(loss=loss, updates=60, learning_rate=8e-3, beta=0.5, pairs=PreferencePairs(
        PROMPTS, [LIKED] * 4, [DISLIKED] * 4, torch.ones(4))) for loss in (dpo_loss, ipo_loss)]
    for run in margins:
        list(run.train())
    free, held = (run.history[-1].margin / 0.5 for run in margins)
    assert held == pytest.approx(1 / (2 * 0.5), abs=0.3) and free > 2 * held


def test_kto_makes_good_completions_likelier_and_bad_ones_less_likely():
    run = kto(updates=60)
    list(run.train())
    tokens, mask = completion_rows([[0, 3]] * 2, [LIKED, DISLIKED], 0)
    now, before = (choice_logprobs(model, tokens, mask).sum(1) for model in (run.policy, run.reference))
    assert (now - before)[0] > 0.1 and (now - before)[1] < -0.1
    assert run.history[-1].loss < run.history[0].loss == pytest.approx(0.5, abs=1e-5)


def test_judgements_of_pairs_leave_ties_out():
    found = Judgements.of_pairs(PAIRS)
    assert len(found) == 14 and found.good.sum() == 7
    assert all((completion == LIKED) == good
               for completion, good in zip(found.completions, found.good.tolist(), strict=True))


def test_the_reference_reads_each_pair_once_and_is_what_it_was():
    reference = GPT(SHAPE, seed=1)
    calls = []
    reference.register_forward_hook(lambda *_: calls.append(1))
    run = dpo(reference=reference)
    list(run.train())
    assert len(calls) == 3                                  # eight pairs in batches of three
    assert run.reference_logprobs.shape == (2, 8) and not run.reference_logprobs.requires_grad
    assert all(a.equal(b) for a, b in zip(reference.state_dict().values(), GPT(SHAPE, seed=1).state_dict().values(),
                                          strict=True))


def test_what_it_reports_is_about_the_pairs_of_the_update():
    run = dpo(reference=GPT(SHAPE, seed=5), batch_size=8, updates=1)
    point = next(run.train())
    policy, reference = GPT(SHAPE, seed=1).eval(), GPT(SHAPE, seed=5).eval()
    strict = [(PAIRS.prompts[i], LIKED, DISLIKED) for i in range(7)]
    logprobs = {name: choice_logprobs(policy, *completion_rows([p for p, _, _ in strict], [part] * 7, 0)).sum(1)
                - choice_logprobs(reference, *completion_rows([p for p, _, _ in strict], [part] * 7, 0)).sum(1)
                for name, part in (("liked", LIKED), ("disliked", DISLIKED))}
    margins = 0.1 * (logprobs["liked"] - logprobs["disliked"])
    assert point.margin == pytest.approx(margins.mean().item(), abs=1e-5)
    assert point.accuracy == pytest.approx((margins > 0).float().mean().item())
    chosen = choice_logprobs(policy, *completion_rows([p for p, _, _ in strict], [LIKED] * 7, 0)).sum(1).mean()
    assert point.chosen_logprob == pytest.approx(chosen.item(), abs=1e-4)
    assert point.pairs == 8


@pytest.mark.parametrize("make", [dpo, kto])
def test_a_stopped_run_goes_on_to_the_identical_curve(make, tmp_path):
    whole, cut = make(), make(tmp_path / "run.pt")
    list(whole.train())
    list(cut.train(until=3))
    again = make(tmp_path / "run.pt")
    assert again.updates == 3
    list(again.train())
    assert curve(again) == curve(whole)
    with pytest.raises(CheckpointError, match="beta 0.1 there, 0.3 here"):
        make(tmp_path / "run.pt", beta=0.3)


def test_a_loss_that_is_no_number_stops_with_good_weights():
    run = dpo(loss=lambda first, *_: first.sum() * float("nan"))
    with pytest.raises(TrainingDiverged, match="The loss is nan"):
        list(run.train())
    assert all(torch.isfinite(weight).all() for weight in run.policy.parameters())


def test_a_reference_that_says_nan_is_told():
    broken = GPT(SHAPE, seed=1)
    with torch.no_grad():
        broken.norm.bias.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="What the reference says of a completion is not a number, in update 1"):
        list(dpo(reference=broken).train())


# data


@pytest.mark.parametrize(("changes", "words"), [
    ({"mu": torch.full((8,), 0.5)}, "All 8 pairs are ties"), ({"mu": torch.full((8,), float("nan"))}, "not nan"),
    ({"mu": torch.tensor([1.0] * 7 + [2.0])}, "not 2.0"), ({"first": [*PAIRS.first[:7], []]}, "Pair 7 has an empty"),
    ({"prompts": [[], *PAIRS.prompts[1:]]}, "Pair 0 has an empty prompt"),
    ({"prompts": [], "first": [], "second": [], "mu": torch.zeros(0)}, "no pairs to learn from")])
def test_pairs_that_teach_nothing_are_refused(changes, words):
    with pytest.raises(CourseError, match=words):
        replace(PAIRS, **changes)


def test_lists_of_different_lengths_and_lone_judgements_are_refused():
    with pytest.raises(ValueError, match="got 8, 7, 8 and 8"):
        replace(PAIRS, first=PAIRS.first[:7])
    with pytest.raises(ValueError, match="got 1, 1 and 2"):
        Judgements([[0, 1]], [[5]], torch.tensor([True, False]))
    with pytest.raises(CourseError, match="at least two judgements"):
        Judgements([[0, 1]], [[5]], torch.tensor([True]))
    with pytest.raises(CourseError, match="Judgement 1 has an empty"):
        Judgements([[0, 1]] * 2, [[5], []], torch.tensor([True, False]))


def test_a_text_too_long_for_the_model_is_told():
    long = replace(PAIRS, first=[[5] * 20] * 8)
    with pytest.raises(CourseError, match="reads 1 to 16 tokens"):
        list(dpo(pairs=long).train())
