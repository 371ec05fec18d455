"""What a report on a model says: its reward, how far it went, and whether it listens to its prompt."""

import statistics

import pytest
import torch
from test_lm_ppo import SHAPE, Numbers, count_good

from course_lib.lm.evaluation import text_report
from course_lib.lm.gpt import GPT

PROMPTS = torch.tensor([[0, 3], [0, 4], [0, 9], [0, 11]])


def strong(seed: int) -> GPT:
    """A model far from the uniform distribution."""
    model = GPT(SHAPE, seed=seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8 if weight.ndim > 1 else 1)
    return model.eval()


def test_the_numbers_belong_to_the_texts():
    report = text_report(strong(1), strong(1), Numbers(), PROMPTS, 6, reward=count_good)
    assert [text.split()[0] for text in report.texts] == ["3", "4", "9", "11"]
    assert report.rewards == count_good(report.texts).tolist()
    assert report.reward == pytest.approx(statistics.fmean(report.rewards))
    assert report.reward_error == pytest.approx(statistics.stdev(report.rewards) / 2)
    assert 0 < sum(share for _, share in report.favourites) <= 1


def test_a_model_has_not_gone_away_from_itself_and_has_from_another():
    many = PROMPTS.repeat(50, 1)
    assert text_report(strong(1), strong(1), Numbers(), many, 6, reward=count_good).kl == pytest.approx(0, abs=1e-5)
    assert text_report(strong(1), strong(2), Numbers(), many, 6, reward=count_good).kl > 0.5


def test_about_the_prompt_is_above_zero_and_nothing_where_all_prompts_are_the_same():
    hears = text_report(strong(1), strong(1), Numbers(), PROMPTS.repeat(50, 1), 6, reward=count_good)
    same = text_report(strong(1), strong(1), Numbers(), PROMPTS[:1].repeat(8, 1), 6, reward=count_good)
    assert hears.about_the_prompt > 0.2 and same.about_the_prompt == pytest.approx(0, abs=1e-5)
