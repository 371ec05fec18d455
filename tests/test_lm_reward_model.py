"""A GPT with a scalar head: where it is read, what training does, what is kept."""

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.reward_model import (
    FitConfig,
    RewardModel,
    fit_reward_model,
    load_reward_model,
    pack,
    save_reward_model,
)
from course_lib.preferences.human_ratings import Comparisons
from course_lib.training.checkpoint import CheckpointError

GOOD, BAD, EOS = 5, 6, 0


def tiny(seed: int = 0) -> RewardModel:
    return RewardModel(GPT(GPTConfig(vocab_size=12, context=16, layers=1, heads=2, width=16), seed=seed))


def good_against_bad(count: int = 64) -> tuple[list[list[int]], Comparisons]:
    """Texts of random tokens, every other one with the token GOOD in it, the others with BAD; good wins."""
    rng = torch.Generator().manual_seed(0)
    ids = []
    for number in range(2 * count):
        text = torch.randint(7, 12, (3 + number % 6,), generator=rng).tolist()
        text[number % len(text)] = GOOD if number % 2 == 0 else BAD
        ids.append(text)
    first, second = torch.arange(0, 2 * count, 2), torch.arange(1, 2 * count, 2)
    mu = (torch.arange(count) % 2).float()
    first, second = torch.where(mu == 1, first, second), torch.where(mu == 1, second, first)
    return ids, Comparisons(first, second, mu, torch.zeros(count).long(), torch.zeros(count).long())


def test_pack_puts_an_end_token_on_both_sides_and_says_where_each_text_ends():
    tokens, lengths = pack([[3, 4], [5, 6, 7, 8]], EOS, context=16)
    assert tokens.tolist() == [[0, 3, 4, 0, 0, 0], [0, 5, 6, 7, 8, 0]] and lengths.tolist() == [4, 6]


def test_pack_cuts_what_the_context_cannot_hold():
    tokens, lengths = pack([list(range(1, 12)) * 3], EOS, context=16)
    assert tokens.shape == (1, 16) and lengths.item() == 16 and tokens[0, 15] == EOS


def test_an_empty_text_has_a_reward_too():
    assert torch.isfinite(tiny().score([[]], EOS)).all()


def test_padding_does_not_change_a_reward():
    model = tiny().eval()
    alone = model.score([[3, 4]], EOS)
    beside_a_long_one = model.score([[3, 4], [5] * 13], EOS)[:1]
    torch.testing.assert_close(alone, beside_a_long_one, atol=1e-6, rtol=1e-5)


def test_the_reward_is_the_head_at_the_last_token():
    model = tiny().eval()
    tokens, lengths = pack([[3, 4], [5, 6, 7]], EOS, context=16)
    with torch.no_grad():
        everywhere = model.at_each_token(tokens)                       # (2, 5)
        torch.testing.assert_close(model(tokens, lengths), torch.stack([everywhere[0, 3], everywhere[1, 4]]))


def test_another_way_of_reading_takes_its_place():
    first = RewardModel(tiny().trunk, read=lambda scores, lengths: scores[:, 0]).eval()
    rewards = first.score([[3, 4], [5, 6, 7]], EOS)
    assert rewards[0] == rewards[1]                                    # at the first token nothing is read yet


def test_training_learns_which_token_wins_also_in_unseen_texts():
    ids, comparisons = good_against_bad()
    model = tiny()
    losses = fit_reward_model(model, ids, EOS, comparisons, FitConfig(epochs=12, learning_rate=3e-3, bfloat16=False))
    assert losses[-1] < 0.3 < losses[0]
    good, bad = model.score([[7, GOOD, 8, 9], [7, BAD, 8, 9]], EOS).tolist()
    assert good > bad


def test_the_same_seed_gives_the_same_model():
    ids, comparisons = good_against_bad(16)
    models = [tiny(), tiny()]
    for model in models:
        fit_reward_model(model, ids, EOS, comparisons, FitConfig(epochs=1))
    assert torch.equal(models[0].score(ids, EOS), models[1].score(ids, EOS))


def test_a_verdict_of_weight_zero_teaches_nothing():
    ids, comparisons = good_against_bad(32)
    lies = Comparisons(comparisons.first, comparisons.second, comparisons.mu.clone(), comparisons.first_rater,
                       comparisons.second_rater)
    lies.mu[16:] = 1 - lies.mu[16:]
    weight = (torch.arange(32) < 16).float()
    model = tiny()
    fit_reward_model(model, ids, EOS, lies, FitConfig(epochs=24, batch_size=32, learning_rate=3e-3, bfloat16=False),
                     weight=weight)
    rewards = model.score(ids, EOS)
    won = (rewards[comparisons.first] > rewards[comparisons.second]) == (comparisons.mu == 1)
    assert won.float().mean() > 0.9


def test_a_loss_that_is_not_finite_stops_with_the_step():
    ids, comparisons = good_against_bad(8)
    with pytest.raises(CourseError, match="The loss is nan .*at step 0 of 1.* learning rate"):
        fit_reward_model(tiny(), ids, EOS, comparisons, FitConfig(epochs=1),
                         loss=lambda r1, r2, mu: (r1 - r2).mean() * float("nan"))


def test_no_verdicts_is_said():
    none = torch.zeros(0, dtype=torch.long)
    with pytest.raises(ValueError, match="no comparisons"):
        fit_reward_model(tiny(), [[1]], EOS, Comparisons(none, none, torch.zeros(0), none, none))


def test_what_is_saved_comes_back(tmp_path):
    model = tiny().eval()
    save_reward_model(tmp_path / "rm.pt", model, {"labels": 3})
    again, facts = load_reward_model(tmp_path / "rm.pt")
    torch.testing.assert_close(again.score([[3, 4], [5]], EOS), model.score([[3, 4], [5]], EOS), atol=2e-3, rtol=2e-3)
    assert facts == {"labels": 3}


def test_another_checkpoint_is_refused_in_a_sentence(tmp_path):
    torch.save({"network": torch.zeros(2)}, tmp_path / "rm.pt")
    with pytest.raises(CheckpointError, match="holds no reward model"):
        load_reward_model(tmp_path / "rm.pt")


def test_one_text_in_place_of_a_list_is_told():
    with pytest.raises(TypeError, match=r"\[text\]"):
        tiny().rewards("good", tokenizer=None)
