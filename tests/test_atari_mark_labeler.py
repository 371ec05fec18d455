"""Preferences that the score does not know: their synthetic labelers, a reward model that sees heights, measures."""

import numpy as np
import pytest
import torch

from course_lib.atari.encoders import BALL, OUR_PADDLE
from course_lib.atari.evaluate import FRESH_SEED, PlayStyle, play_style
from course_lib.atari.games import PONG, in_colour
from course_lib.atari.networks import FrameAgent
from course_lib.atari.reward_ensemble import AtariRewardEnsemble, FitConfig
from course_lib.atari.reward_models import CellReward, RowPooledReward
from course_lib.atari.shipped import KONG_TASK, load_kong, save_kong
from course_lib.atari.synthetic_labelers import PongMarkLabeler, mark_low, mark_rally, paddle_height
from course_lib.labels.records import Preference
from course_lib.preferences.segments import PreferenceDataset, Segment
from course_lib.training.checkpoint import CheckpointError


def court(top: int | None, ball: int | None = None) -> np.ndarray:
    """A frame with our paddle from row `top` on (16 rows), and a ball at this column."""
    frame = np.full((160, 160), PONG.floor, np.uint8)
    if top is not None:
        frame[top:top + 16, 140:144] = OUR_PADDLE
    if ball is not None:
        frame[60:64, ball:ball + 2] = BALL
    return frame


def segment(*frames: np.ndarray) -> Segment:
    return Segment(torch.zeros((len(frames), 2, 40, 40), dtype=torch.uint8), frames=np.stack(frames))


def test_the_paddles_height_is_read_off_the_screen_in_grey_and_in_colour():
    frames = np.stack([court(0), court(144), court(72), court(None)])
    for shown in (frames, in_colour(frames, PONG)):
        heights = paddle_height(shown)
        assert heights[:3] == pytest.approx([0.953, 0.047, 0.5], abs=0.01) and np.isnan(heights[3])


def test_the_low_judge_ties_small_differences_and_dislikes_a_paddle_that_is_not_there():
    labeler = PongMarkLabeler(mark_low, blur=0.03)
    low, lower, high, gone = (segment(court(top)) for top in (120, 123, 20, None))
    assert [labeler(low, high), labeler(high, low), labeler(low, lower), labeler(gone, high)] == [1.0, 0.0, 0.5, 0.0]
    assert labeler.ties == 1 and labeler.source == "scripted"


def test_the_rally_judge_likes_no_point_at_all():
    labeler = PongMarkLabeler(mark_rally)
    rally, won, lost = (segment(court(50, 80), court(50, column)) for column in (90, 5, 155))
    assert [labeler(rally, won), labeler(lost, rally), labeler(won, lost)] == [1.0, 0.0, 0.5]


def low_pairs(count: int, seed: int) -> list[Preference]:
    """Clips in which a paddle of 4 cells stands at some height; the lower one is preferred."""
    rng, pairs = np.random.default_rng(seed), []
    for _ in range(count):
        rows, clips = rng.choice(36, 2, replace=False), []
        for row in rows:
            obs = torch.zeros((4, 2, 40, 40), dtype=torch.uint8)
            obs[:, :, row:row + 4, 35] = 1
            clips.append(Segment(obs))
        pairs.append(Preference(*clips, float(rows[0] > rows[1])))
    return pairs


def accuracy(kind: type, steps: int = 120) -> float:
    ensemble = AtariRewardEnsemble(kind, FitConfig(members=2, first_steps=steps))
    taught, fresh = PreferenceDataset.of(low_pairs(80, seed=1)), PreferenceDataset.of(low_pairs(60, seed=2))
    ensemble.fit(taught.first, taught.second, taught.mu)
    first, second = (ensemble.predict(clips).sum(1) for clips in (fresh.first, fresh.second))
    return float(((first > second) == (fresh.mu > 0.5)).float().mean())


def test_a_model_of_cells_learns_heights_and_one_that_sums_rows_cannot():
    assert accuracy(CellReward) > 0.9
    assert accuracy(RowPooledReward) < 0.8


def test_prepared_rewards_of_cells_are_the_same_numbers():
    model, obs = CellReward(seed=3), torch.randint(0, 2, (3, 5, 2, 40, 40), dtype=torch.uint8)
    prepared = model.prepared_rewards(model.gather(model.prepare(list(obs.numpy()))))
    assert prepared.shape == (3, 5) and torch.allclose(prepared, model.rewards(obs), atol=1e-5)


def test_play_style_counts_fresh_play():
    style = play_style(FrameAgent(), steps=120, games=4, keep=50)
    assert style.steps == 480 and style.heights.shape == (480,) and style.frames.shape == (50, 160, 160)
    assert style.lost > style.won, "an untrained agent loses"
    assert style.steps_a_point == 480 / (style.won + style.lost) and 0 < style.height < 1
    assert FRESH_SEED >= 1_000_000
    quiet = PlayStyle(600, 0, 0, np.full(600, 0.5), np.zeros((1, 160, 160), np.uint8))
    assert quiet.steps_a_point == 600 and quiet.balance == 0


def test_kong_agents_come_back_and_spoiled_ones_are_refused(tmp_path, monkeypatch):
    from course_lib.atari import shipped

    monkeypatch.setattr(shipped, "folder", lambda: tmp_path)
    agent = KONG_TASK.network(3)
    save_kong("score", agent, {"seed": 3})
    back, facts = load_kong("score")
    assert facts == {"seed": 3}
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(agent.parameters(), back.parameters(), strict=True))
    torch.save({"agent": {}, "facts": {}}, tmp_path / "donkey_kong_score.pt")
    with pytest.raises(CheckpointError, match=r"donkey_kong.py score --ship"):
        load_kong("score")
