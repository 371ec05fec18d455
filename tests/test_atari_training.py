"""Training of Pong: learns from points, stops and goes on to the same curve, says what is wrong with a checkpoint."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib.atari import pong, shipped
from course_lib.atari.encoders import BINNED, BinaryFrames, PongObjects, binned, soft_bins
from course_lib.atari.evaluate import fresh_games
from course_lib.atari.networks import BinnedObjectAgent, FrameAgent, ObjectAgent
from course_lib.atari.pong import at_ball_gone, at_points, pong_from_score
from course_lib.preferences.segments import sample_segments
from course_lib.rl.rollout import Collector, Rollout
from course_lib.training.checkpoint import CheckpointError


@pytest.fixture(autouse=True)
def few_games(monkeypatch):
    """Four games at once instead of 16: the same code, a quarter of the wait."""
    monkeypatch.setattr(pong, "NUM_ENVS", 4)


def rollout_of(seen: list[int], rewards: list[int]) -> Rollout:
    """One environment; `seen` has one entry more than `rewards`."""
    obs = torch.zeros(len(seen), 1, 10)
    obs[:, 0, 0] = torch.tensor(seen)
    T = len(rewards)
    none = torch.zeros(T, 1, dtype=torch.bool)
    return Rollout(obs[:-1], torch.zeros(T, 1), torch.zeros(T, 1), torch.zeros(T, 1), none, none, obs[:0, 0], obs[-1],
                   torch.zeros(1), torch.tensor(rewards).float()[:, None])


def test_boundaries_by_score_and_by_sight():
    seen = [1, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0]
    rollout = rollout_of(seen, [0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0])
    assert at_points(rollout).flatten().nonzero().flatten().tolist() == [4]
    assert at_ball_gone(rollout).flatten().nonzero().flatten().tolist() == [4, 10]      # a flicker at 1 is none


def test_sight_finds_the_points_of_real_games():
    from course_lib.atari.envs import AtariEnvs

    collector = Collector(AtariEnvs("pong", 8, BinaryFrames()), FrameAgent(), torch.Generator().manual_seed(0), seed=1)
    rollout, _ = collector.collect(256)
    points, gone = at_points(rollout).float(), at_ball_gone(rollout).float()
    assert points.sum() >= 20
    nearby = torch.nn.functional.max_pool1d(gone.T[:, None], 9, stride=1, padding=4)[:, 0].T     # within 4 steps
    assert (nearby * points).sum() / points.sum() > 0.95
    assert abs(gone.sum() - points.sum()) <= 0.15 * points.sum()


@pytest.mark.parametrize(("agent", "shape", "weights"), [
    (FrameAgent, (2, 80, 40), 170_644), (partial(FrameAgent, rows=40), (2, 40, 40), 168_596),
    (ObjectAgent, (10,), 5_124), (BinnedObjectAgent, (10,), 29_700)])
def test_agents_start_undecided_and_have_the_stated_size(agent, shape, weights):
    network = agent(seed=1)
    distribution, values = network(torch.rand(5, *shape))
    assert values.shape == (5,) and distribution.logprobs.shape == (5, 3)
    assert distribution.entropy().min() > 1.09
    assert sum(p.numel() for p in network.parameters()) == weights


def test_soft_bins_share_a_number_between_its_two_nearest_bins():
    shares = soft_bins(torch.tensor([[0.0, 0.25, -1.0, 5.0]]), 1.0, 5)[0]
    assert shares.tolist() == [[0, 0, 1, 0, 0], [0, 0, 0.5, 0.5, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]


def test_an_unseen_ball_has_no_bins():
    obs = torch.zeros(2, 3, 10)
    obs[0, :, 0] = 1                                            # seen, in the middle of the court
    bins = binned(obs)
    assert bins.shape == (2, 3, BINNED)
    assert bins[0, 0, 10:].sum().item() == pytest.approx(5), "a bin's worth for each of the five places"
    assert bins[1, 0, 10:].sum().item() == pytest.approx(2), "without the ball only the paddles' two"
    assert torch.equal(bins[..., :10], obs)


def weights_of(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_curve(tmp_path: Path):
    whole = pong_from_score(3, tmp_path / "whole.pt", num_steps=64, checkpoint_every=2)
    for _ in whole.train(until=4 * 256):
        pass
    for _ in pong_from_score(3, tmp_path / "parts.pt", num_steps=64, checkpoint_every=2).train(until=2 * 256):
        pass
    rest = pong_from_score(3, tmp_path / "parts.pt", num_steps=64, checkpoint_every=2)
    assert rest.updates == 2
    for _ in rest.train(until=4 * 256):
        pass
    timeless = [[(p.steps, p.entropy, p.policy_loss, p.mean_reward) for p in ppo.history] for ppo in (whole, rest)]
    assert timeless[0] == timeless[1]
    assert torch.equal(weights_of(whole.network), weights_of(rest.network))


def test_shipped_agents_come_back_and_spoiled_ones_are_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(shipped, "folder", lambda: tmp_path)
    agent = FrameAgent(seed=5)
    shipped.save_shipped("a.pt", agent, None, {"seed": 5})
    back = shipped.load_shipped("a.pt")
    assert back.facts == {"seed": 5} and back.reward_model is None
    assert torch.allclose(weights_of(back.agent), weights_of(agent), atol=1e-3)
    assert (tmp_path / "a.pt").stat().st_size < 1_000_000
    (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="damaged"):
        shipped.load_shipped("a.pt")
    torch.save({"agent": {}, "members": 0, "reward_model": {}, "facts": {}}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="holds another network"):
        shipped.load_shipped("a.pt")


def test_fresh_games_stop_at_the_limit_and_differ_from_each_other():
    result = fresh_games(ObjectAgent(), "pong", PongObjects(), games=4, step_limit=200)
    assert result.returns.shape == (4,) and (result.lengths == 200).all()
    again = fresh_games(ObjectAgent(), "pong", PongObjects(), games=4, step_limit=200)
    assert np.array_equal(result.returns, again.returns)


def test_segments_come_from_one_game_each_and_show_the_steps_results():
    T, N, steps = 60, 3, 25
    step, game = torch.meshgrid(torch.arange(T + 1), torch.arange(N), indexing="ij")
    obs = (step * 10 + game).float()[..., None]                                     # (T + 1, N, 1)
    none = torch.zeros(T, N, dtype=torch.bool)
    zeros = torch.zeros(T, N)
    rollout = Rollout(obs[:-1], zeros, zeros, zeros, none, none, obs[:0, 0], obs[-1], torch.zeros(N), None)
    frames = (np.arange(T)[:, None] + np.zeros((1, N))).astype(np.uint8)[..., None, None]           # (T, N, 1, 1)
    segments = sample_segments(rollout.next_obs(), frames, steps, 99, np.random.default_rng(0))
    assert len(segments) == 6
    for segment in segments:
        assert segment.obs.shape == (25, 1) and len(segment.frames) == 25
        assert (segment.obs[:, 0].diff() == 10).all()
        assert (segment.obs[:, 0].numpy() // 10 == segment.frames[:, 0, 0] + 1).all()
    assert len({float(segment.obs[0, 0]) for segment in segments}) == 6


def test_the_shipped_agent_from_the_score_wins_points():
    agent = shipped.load_shipped(shipped.FROM_SCORE)
    assert agent.facts["labels"] == 0 and agent.facts["command"].startswith("python benchmarks/pong.py pixels-true")
    games = fresh_games(agent.agent, "pong", BinaryFrames(), games=4, step_limit=800)
    assert games.mean > 1, "it should be ahead after 800 steps"
