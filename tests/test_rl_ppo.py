"""The PPO loop: it learns, stops and goes on identically, bootstraps at time limits, never looks at a hidden reward."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from course_lib.rl.cartpole import VectorCartPole, fallen
from course_lib.rl.evaluate import evaluate, greedy
from course_lib.rl.networks import ActorCritic, GaussianActorCritic
from course_lib.rl.ppo import PPO, PPOConfig
from course_lib.rl.vector_envs import make_vector
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from course_lib.training.resume import TrainingDiverged

SHORT_ROLLOUT = 8 * 32               # agent steps: 8 environments, 32 steps
SHORT = PPOConfig(total_steps=6 * SHORT_ROLLOUT, num_steps=32, minibatch_size=128, checkpoint_every=2, seed=3)


def curve(ppo: PPO) -> list[str]:
    """What must be equal in two equal runs, to the last digit: everything but the time it took."""
    return [repr(replace(p, cpu_seconds=0.0)) for p in ppo.history]


def run(ppo: PPO, updates: int | None = None) -> PPO:
    for count, _ in enumerate(ppo.train(), start=1):
        if count == updates:
            break
    return ppo


def make(path=None, env_id=None, config=SHORT) -> PPO:
    envs = VectorCartPole(8) if env_id is None else make_vector(env_id, 8)
    network = ActorCritic(*envs.single_observation_space.shape, envs.single_action_space.n, seed=1)
    return PPO(envs, network, config, path)


def test_learns_cartpole():
    network = ActorCritic(4, 2)
    config = PPOConfig(total_steps=30_000, minibatch_size=256, reward_scale=0.1)
    before = evaluate(VectorCartPole(20), greedy(network)).mean
    run(PPO(VectorCartPole(16), network, config))
    after = evaluate(VectorCartPole(20), greedy(network)).mean
    assert before < 150 < 250 < after, (before, after)


def test_leaving_the_loop_and_going_on_gives_the_same_curve():
    whole, parted = run(make()), make()
    run(run(parted, updates=2), updates=1)
    assert parted.steps == 3 * 256
    run(parted)
    assert curve(parted) == curve(whole) and len(curve(whole)) == 6


@pytest.mark.parametrize("env_id", [None, "LunarLander-v3"])
def test_a_new_process_goes_on_from_the_checkpoint_to_the_same_curve(tmp_path, env_id):
    """LunarLander's physics cannot be saved: its episodes start anew at each checkpoint, interrupted or not."""
    whole = run(make(tmp_path / "whole.pt", env_id))
    killed = make(tmp_path / "killed.pt", env_id)
    training = killed.train()
    for _ in range(5):                                  # checkpoints after updates 2 and 4; then the power fails
        next(training)
    copy = (tmp_path / "killed.pt").read_bytes()
    training.close()
    (tmp_path / "killed.pt").write_bytes(copy)
    resumed = make(tmp_path / "killed.pt", env_id)
    assert resumed.updates == 4
    run(resumed)
    assert curve(resumed) == curve(whole)
    for mine, other in zip(resumed.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_a_finished_run_is_not_trained_again(tmp_path):
    run(make(tmp_path / "run.pt"))
    again = make(tmp_path / "run.pt")
    assert list(again.train()) == [] and again.steps == SHORT.total_steps and len(again.history) == 6


def test_leaving_the_loop_saves_what_it_reached(tmp_path):
    run(make(tmp_path / "run.pt"), updates=3)
    assert make(tmp_path / "run.pt").updates == 3


def test_a_checkpoint_of_other_settings_and_a_damaged_one_are_refused_in_words(tmp_path):
    path = tmp_path / "run.pt"
    run(make(path), updates=1)
    with pytest.raises(CheckpointError, match="clip 0.2 there, 0.3 here"):
        make(path, config=replace(SHORT, clip=0.3))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="damaged.*Delete or rename"):
        make(path)
    with pytest.raises(CheckpointError, match="no missing.pt"):
        load_checkpoint(tmp_path / "missing.pt")
    save_checkpoint(path, {"a": torch.ones(2)})
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"], "a temporary file was left behind"


def test_a_reward_that_is_not_a_number_stops_with_the_step_and_the_last_good_checkpoint(tmp_path):
    rewards = [1.0, 1.0, float("nan")]
    path = tmp_path / "run.pt"
    ppo = PPO(VectorCartPole(8), ActorCritic(4, 2), replace(SHORT, checkpoint_every=1), path,
              reward_function=lambda rollout: torch.full(rollout.values.shape, rewards.pop(0)))
    with pytest.raises(TrainingDiverged, match=r"The loss is nan .*after 512 agent steps, in update 3.*run\.pt"):
        list(ppo.train())
    state = load_checkpoint(path)
    assert state["updates"] == 2
    assert all(torch.isfinite(weight).all() for weight in state["parts"]["network"].values())


class Clock(gym.Env):
    """A world of one state that pays 1 a step; the clock or the world ends it after three."""

    observation_space, action_space = gym.spaces.Box(0, 1, (1,)), gym.spaces.Discrete(2)

    def __init__(self, truncates: bool):
        self.truncates = truncates

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.age = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.age += 1
        over = self.age == 3
        return np.full(1, self.age, np.float32), 1.0, over and not self.truncates, over and self.truncates, {}


@pytest.mark.parametrize(("truncates", "last_advantage"), [(False, 1.0), (True, 1.0 + 0.9 * 30.0)])
def test_after_the_clocks_end_the_value_estimate_counts_after_the_worlds_nothing_follows(truncates, last_advantage):
    class TenTimes(ActorCritic):
        def forward(self, obs):                                 # the critic says ten times the age
            return self.distribution(obs), 10 * obs.squeeze(-1)

    envs = SyncVectorEnv([lambda: Clock(truncates)] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    ppo = PPO(envs, TenTimes(1, 2), PPOConfig(gamma=0.9, lam=1.0))
    rollout, episodes = ppo.collector.collect(6)
    rewards, advantages = ppo.advantages(rollout)
    assert rewards.unique().tolist() == [1.0] and [e.length for e in episodes] == [3] * 4
    assert rollout.next_obs()[:, 0, 0].tolist() == [1, 2, 3, 1, 2, 3]
    assert rollout.obs[:, 0, 0].tolist() == [0, 1, 2, 0, 1, 2]
    # the third step: reward 1, critic said 20 before it
    assert advantages[2, 0].item() == pytest.approx(last_advantage - 20)
    assert advantages[1, 0].item() == pytest.approx(1 + 0.9 * last_advantage - 10)


class RewardsBite(VectorCartPole):
    """Its rewards raise when anything is done with them."""

    def step(self, actions):
        obs, _, terminated, truncated, info = super().step(actions)
        return obs, _Bite(), terminated, truncated, info


class _Bite:
    def _bite(self, *args, **kwargs):
        raise AssertionError("the true reward was read")

    __array__ = __add__ = __radd__ = __mul__ = __rmul__ = __iter__ = __getitem__ = __float__ = __len__ = _bite


def test_with_a_reward_function_the_true_reward_is_never_read(tmp_path):
    def upright(rollout):
        return 1 - 5 * rollout.next_obs()[..., 2].abs()

    def no_boundaries(rollout):
        return torch.zeros_like(rollout.ended)

    ppo = PPO(RewardsBite(8), ActorCritic(4, 2), SHORT, tmp_path / "run.pt", upright, no_boundaries)
    last = list(ppo.train())[-1]
    assert ppo.rollout.rewards is None and np.isnan(last.episode_return) and last.episode_length > 5
    assert 0.5 < last.mean_reward < 1
    with pytest.raises(AssertionError, match="true reward was read"):
        list(PPO(RewardsBite(8), ActorCritic(4, 2), SHORT).train())


def test_the_reward_function_sees_the_fall_itself():
    """Only the true last observation shows it: the one returned already belongs to the next episode."""
    falls = []

    def count(rollout):
        falls.append((int(fallen(rollout.next_obs().numpy()).sum()), int(rollout.terminated.sum())))
        return torch.zeros_like(rollout.values)

    run(PPO(VectorCartPole(8), ActorCritic(4, 2), SHORT, reward_function=count))
    seen, happened = map(sum, zip(*falls, strict=True))
    assert seen == happened > 20


def test_the_boundary_function_cuts_the_advantages_where_it_says():
    def each_fourth(rollout):
        cuts = torch.zeros_like(rollout.ended)
        cuts[3::4] = True
        return cuts

    def rewarded(rollout):
        return torch.arange(32.0)[:, None].expand(32, 8)

    ppo = PPO(VectorCartPole(8), ActorCritic(4, 2), replace(SHORT, gamma=1.0, lam=1.0),
              reward_function=rewarded, boundary_function=each_fourth)
    rollout, _ = ppo.collector.collect(32)
    _, advantages = ppo.advantages(rollout)
    sums = (advantages + rollout.values)[:, 0]
    assert sums[0].item() == pytest.approx(0 + 1 + 2 + 3, abs=1e-4)
    assert sums[4].item() == pytest.approx(4 + 5 + 6 + 7, abs=1e-4)


def test_reward_scale_shrinks_what_is_learned_from_and_not_what_is_reported():
    config = replace(SHORT, total_steps=256)
    plain = run(PPO(VectorCartPole(8), ActorCritic(4, 2), config))
    scaled = run(PPO(VectorCartPole(8), ActorCritic(4, 2), replace(config, reward_scale=0.01)))
    assert plain.history[0].mean_reward == scaled.history[0].mean_reward == 1.0
    assert plain.history[0].episode_return == scaled.history[0].episode_return
    assert scaled.history[0].value_loss < 0.1 * plain.history[0].value_loss


def test_the_learning_rate_rises_stays_and_falls():
    config = PPOConfig(**{**vars(SHORT), "total_steps": 100 * SHORT_ROLLOUT, "learning_rate": 1e-2, "warmup_share": 0.1,
                          "hold_learning_rate": 0.5, "final_learning_rate": 0.2})
    ppo = make(config=config)
    rates = {progress.update - 1: progress.learning_rate for progress in ppo.train(until=102 * SHORT_ROLLOUT)}
    assert [rates[updates] for updates in (0, 4, 9, 30, 50, 75, 100, 101)] == pytest.approx(
        [1e-3, 5e-3, 1e-2, 1e-2, 1e-2, 6e-3, 2e-3, 2e-3])


def test_centred_rewards_are_learned_from_and_not_reported():
    plain, centred = make(), make(config=replace(SHORT, centre_rewards=True, reward_scale=0.5))
    rollout, _ = plain.collector.collect(SHORT.num_steps)
    seen = []
    centred.advantage_function = lambda rewards, *rest: seen.append(rewards) or torch.zeros_like(rewards)
    for level in (1.0, 3.0):                                    # CartPole pays 1 a step
        rollout.rewards = torch.full_like(rollout.rewards, level)
        reported, _ = centred.advantages(rollout)
        assert (reported == level).all()
    assert seen[0].abs().max() < 1e-6, "the first mean is that of the first rollout"
    assert torch.allclose(seen[1], torch.full_like(seen[1], 1.5 - (0.95 * 0.5 + 0.05 * 1.5)))


def test_continuous_actions():
    class Slide(gym.Env):
        """Pays for actions near 0.7."""

        observation_space, action_space = gym.spaces.Box(-1, 1, (1,)), gym.spaces.Box(-3, 3, (1,))

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.age = 0
            return np.zeros(1, np.float32), {}

        def step(self, action):
            self.age += 1
            return np.zeros(1, np.float32), -float(abs(action[0] - 0.7)), self.age == 10, False, {}

    envs = SyncVectorEnv([Slide] * 8, autoreset_mode=AutoresetMode.SAME_STEP)
    network = GaussianActorCritic(1, 1)
    run(PPO(envs, network, PPOConfig(total_steps=8_000, num_steps=50, minibatch_size=200, learning_rate=1e-2,
                                     entropy_coefficient=0.0)))
    assert greedy(network)(np.zeros((1, 1), np.float32))[0, 0] == pytest.approx(0.7, abs=0.2)
