"""The vector environment: same seed, same games; what leaves it carries no score."""

import numpy as np
import pytest

from course_lib.atari.encoders import BinaryFrames, PongObjects
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.games import PONG, UnknownGame
from course_lib.preferences.hidden_reward import RewardIsHidden, TrueReturns, hide_reward
from course_lib.rl.vector_envs import final_observations


class Everything:
    """An encoder that hides nothing of what it is given."""

    shape, dtype = (2, 160, 160), np.uint8

    def look(self, court):
        return court

    def join(self, now, before):
        return np.stack([now, before], axis=1)


def play(envs: AtariEnvs, steps: int, seed: int = 5) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    obs = [envs.reset(seed=seed)[0]]
    rewards = []
    for _ in range(steps):
        seen, reward, *_ = envs.step(rng.integers(0, 3, envs.num_envs))
        obs.append(seen)
        rewards.append(reward)
    return obs, np.array(rewards)


@pytest.mark.parametrize("encoder", [BinaryFrames, PongObjects])
def test_a_seed_fixes_the_games_and_another_changes_them(encoder):
    first, again, other = (play(AtariEnvs("pong", 2, encoder()), 150, seed)[0] for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert first[0].shape == (2, *encoder().shape) and first[0].dtype == encoder.dtype


def test_score_digits_reach_neither_observation_nor_clip(monkeypatch):
    envs = AtariEnvs("pong", 2, Everything(), keep_frames=True)
    plain, _ = play(envs, 60)
    clips = envs.take_frames()
    painted = AtariEnvs("pong", 2, Everything(), keep_frames=True)
    court = painted._court

    def with_other_digits(screens):
        screens = screens.copy()
        screens[:, :, :24] = np.random.default_rng(len(screens)).integers(0, 256, screens[:, :, :24].shape)
        return court(screens)

    monkeypatch.setattr(painted, "_court", with_other_digits)
    changed, _ = play(painted, 60)
    assert all(np.array_equal(a, b) for a, b in zip(plain, changed, strict=True))
    assert np.array_equal(clips, painted.take_frames())
    assert clips.shape == (60, 2, 160, 160)
    assert set(np.unique(clips)) <= set(PONG.colours), "something other than court, ball and paddles in a clip"


def test_clips_show_what_each_action_led_to():
    envs = AtariEnvs("pong", 2, Everything(), keep_frames=True)
    obs, _ = play(envs, 20)
    assert np.array_equal(envs.take_frames(), np.stack([o[:, 0] for o in obs[1:]]))


def test_a_game_that_ends_gives_its_last_picture_and_starts_without_a_past():
    envs = AtariEnvs("pong", 3, Everything(), max_num_frames_per_episode=240)
    last = envs.reset(seed=1)[0]
    for _ in range(80):
        obs, _, terminated, truncated, info = envs.step(np.ones(3, dtype=int))
        ended = terminated | truncated
        if ended.any():
            break
        last = obs
    final = final_observations(info, ended)
    assert np.array_equal(final[:, 1], last[ended][:, 0]), "the last observation must follow the one before"
    assert np.array_equal(obs[ended][:, 0], obs[ended][:, 1]), "the first of a new game must not show the old one"


def test_under_seal_the_score_raises_and_the_evaluator_can_still_count_it():
    returns: list[float] = []
    open_envs = AtariEnvs("pong", 2, PongObjects())
    sealed = hide_reward(TrueReturns(AtariEnvs("pong", 2, PongObjects(), keep_frames=True), returns))
    rng, seen = np.random.default_rng(0), [(open_envs.reset(seed=5)[0], sealed.reset(seed=5)[0])]
    for _ in range(1500):
        actions = rng.integers(0, 3, 2)
        (obs, *_), (hidden, reward, *_) = open_envs.step(actions), sealed.step(actions)
        seen.append((obs, hidden))
    assert all(np.array_equal(one, other) for one, other in seen)
    with pytest.raises(RewardIsHidden):
        float(reward)
    assert sealed.take_frames().shape == (1500, 2, 160, 160), "pictures reach through the seal"
    assert returns and all(-21 <= value <= -10 for value in returns)    # a random player loses


def test_an_unknown_rom_is_refused_before_anything_starts():
    with pytest.raises(UnknownGame, match="describe its buttons"):
        AtariEnvs("space_invaders_2", 2, BinaryFrames())
