"""What the build of lesson 02 must do, exercise 02.7; the other exercises stand in checks.py."""

import copy
import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch.optim.optimizer import register_optimizer_step_pre_hook

from course_lib import budget
from course_lib.exercises import Fail, close, difference, exercise, shape_is
from course_lib.rl import objectives
from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.evaluate import evaluate, greedy, sampled
from course_lib.rl.networks import ActorCritic
from course_lib.rl.ppo import PPOConfig
from course_lib.rl.rollout import Collector
from course_lib.rl.settings import CARTPOLE
from course_lib.training.run import gradient_step
from course_lib.training.schedules import warmup_then_linear

build = exercise(
    "02.7", title="Build: PPO, from the first step to an agent that balances", function="PPOAgent", points=8, kind="build",
    difficulty=3, importance=1, minutes=90, reference="checks:PPOAgent",
    hints=("Go from the top of the page to its end, and run the check after each method: its cases come in that order, and name "
           "the part at fault. Print the shapes of everything in your first rollout, with two environments and five steps.",
           "rollout: one list for each name, filled step by step, then `torch.stack`. Keep the observation that the action was "
           "chosen from, and replace `self.obs` only afterwards. update: flatten each (T, N) tensor to (T * N,) in the same way, take "
           "old log-probabilities, normalized advantages and returns once, then loop over epochs and over pieces of "
           "`torch.randperm(T * N).split(minibatch_size)`.",
           "An ended row: `ended = terminated | truncated`; `final_values[ended] = network(final_obs[ended])[1]`. A gradient step: "
           "`zero_grad`, `backward`, `nn.utils.clip_grad_norm_(network.parameters(), max_grad_norm)`, `step`. The learning rate is set with "
           "`for group in optimizer.param_groups: group['lr'] = ...` before each update, from the steps made until then."))

PER_STEP = ("obs", "actions", "logprobs", "values", "rewards", "terminated", "truncated", "final_values")


class PPOAgent:
    """PPO out of the library's pieces, with the parts that exercise 02.7 asks for."""

    def __init__(self, envs, network, config):
        self.network, self.config = network, config
        self.generator = torch.Generator().manual_seed(config.seed)
        self.collector = Collector(envs, network, self.generator, config.seed)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)
        self.steps, self.episode_returns = 0, []

    @torch.no_grad()
    def rollout(self):
        """T steps of N environments."""
        found, episodes = self.collector.collect(self.config.num_steps)
        final_values = torch.zeros_like(found.rewards)
        if found.ended.any():
            final_values[found.ended] = self.network(found.final_obs)[1]
        self.steps += found.rewards.numel()
        self.episode_returns += [episode.total_reward for episode in episodes]
        return {name: getattr(found, name) for name in (*PER_STEP[:-1], "last_values")} | {"final_values": final_values}

    def advantages(self, rollout):
        """(advantages, returns), both (T, N)."""
        return _advantages(rollout, self.config)

    def loss(self, obs, actions, old_logprobs, advantages, returns):
        """The loss of one minibatch."""
        return _whole_loss(self.network, self.config, obs, actions, old_logprobs, advantages, returns)

    def update(self, rollout):
        """Epochs of minibatches; the losses."""
        advantages, returns = self.advantages(rollout)
        data = [part.flatten(0, 1) for part in (rollout["obs"], rollout["actions"], rollout["logprobs"],
                                                objectives.standardized(advantages), returns)]
        losses = []
        for _ in range(self.config.epochs):
            for batch in torch.randperm(len(data[0]), generator=self.generator).split(self.config.minibatch_size):
                loss = self.loss(*(part[batch] for part in data))
                gradient_step(loss, self.network, self.optimizer, max_grad_norm=self.config.max_grad_norm)
                losses.append(loss.item())
        return losses

    def train(self):
        """Updates until total_steps; the learning curve."""
        config, history = self.config, []
        share = warmup_then_linear(config.total_steps, final=config.final_learning_rate)
        while self.steps < config.total_steps:
            self.optimizer.param_groups[0]["lr"] = config.learning_rate * share(self.steps)
            self.update(self.rollout())
            recent = self.episode_returns[-20:]
            history.append((self.steps, sum(recent) / len(recent) if recent else math.nan))
        return history


def _advantages(rollout, config, *, scale=True, bootstrap="truncated", next_episode=False, shift=0):
    """(advantages, returns) of a rollout, in the right way or with a slip."""
    rewards = rollout["rewards"] * (config.reward_scale if scale else 1.0)
    ended = rollout["terminated"] | rollout["truncated"]
    at = {"truncated": rollout["truncated"] & ~rollout["terminated"], "every end": ended,
          "every truncation": rollout["truncated"], "never": torch.zeros_like(ended)}[bootstrap]
    rewards = rewards + config.gamma * rollout["final_values"] * at
    dones = rollout["terminated"] if next_episode else ended.roll(shift, 0)
    advantages = objectives.gae(rewards, rollout["values"], dones, rollout["last_values"], config.gamma, config.lam)
    return advantages, advantages + rollout["values"]


def _whole_loss(network, config, obs, actions, old_logprobs, advantages, returns, *, value=1.0, entropy=1.0, policy=1.0):
    """The loss of a minibatch; its parts may be weighed wrongly."""
    distribution, values = network(obs)
    logprobs = distribution.log_prob(actions)
    return (policy * objectives.clipped_policy_loss(logprobs, old_logprobs, advantages, config.clip)
            + value * config.value_coefficient * objectives.value_loss(values, returns)
            - entropy * config.entropy_coefficient * distribution.entropy().mean())


def _updated(network, config, rollout, batches, correction=1, *, weights="rollout", old="kept", clipped=True, zeroed=True):
    """(losses, gradients at each step) of an update with these minibatches, in the right way or with a slip.

    correction: 1 for the standard deviation of a sample, 0 for that of a population; both are right.
    """
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)
    advantages, returns = (part.flatten() for part in _advantages(rollout, config))
    obs, actions, old_logprobs = (rollout[name].flatten(0, 1) for name in ("obs", "actions", "logprobs"))
    losses, gradients = [], []
    for batch in batches:
        weight = advantages[batch]
        if weights != "none":
            among = advantages if weights == "rollout" else weight
            weight = (weight - among.mean()) / among.std(correction=correction)
        before = old_logprobs[batch]
        if old == "anew":
            before = network(obs[batch])[0].log_prob(actions[batch]).detach()
        loss = _whole_loss(network, config, obs[batch], actions[batch], before, weight, returns[batch])
        if zeroed:
            optimizer.zero_grad()
        loss.backward()
        if clipped:
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
        losses.append(loss.item())
        gradients.append(_gradient(network))
        optimizer.step()
    return torch.tensor(losses), torch.stack(gradients)


def _gradient(network):
    return torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten().clone() for p in network.parameters()])


class ScriptedEnvs(VectorEnv):
    """N environments in which everything is made up beforehand, ends of both kinds too; they keep what was done."""

    metadata: ClassVar[dict] = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, steps: int, num_envs: int = 2, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.num_envs = num_envs
        self.obs = rng.normal(size=(steps + 1, num_envs, 4)).astype(np.float32)
        self.final_obs = rng.normal(size=(steps, num_envs, 4)).astype(np.float32)
        self.rewards = rng.normal(size=(steps, num_envs)).round(2)
        kind = rng.permuted(np.arange(steps * num_envs) % 7).reshape(steps, num_envs)
        self.terminated, self.truncated = kind <= 1, (kind == 1) | (kind == 2)      # 1: both at once
        self.actions, self.seeds = [], []

    def reset(self, *, seed=None, options=None):
        """The first observations."""
        self.seeds.append(seed)
        return self.obs[0].copy(), {}

    def step(self, actions):
        """The next line of the script."""
        t = len(self.actions)
        if t == len(self.terminated):
            raise Fail("PPOAgent(envs, network, config)", f"{t} steps in each environment", "one step more",
                       "`rollout` makes num_steps steps in each environment, no more, and `train` stops when `steps` has reached total_steps.")
        if not isinstance(actions, np.ndarray) or actions.shape != (self.num_envs,):
            raise Fail("envs.step(actions)", f"a numpy array of {self.num_envs} actions", actions,
                       "`envs.step` wants one action for each environment, as a numpy array: `actions.numpy()`.")
        self.actions.append(actions.copy())
        ended = self.terminated[t] | self.truncated[t]
        info = {"final_obs": self.final_obs[t].copy(), "_final_obs": ended} if ended.any() else {}
        return (self.obs[t + 1].copy(), self.rewards[t].copy(), self.terminated[t].copy(), self.truncated[t].copy(), info)


class SpiedNetwork(ActorCritic):
    """A small actor-critic that keeps the observations it was trained on: one tensor a gradient step."""

    def __init__(self, seed: int = 0):
        super().__init__(4, 2, hidden=(8,), seed=seed)
        self.seen: list[torch.Tensor] = []
        with torch.no_grad():
            self.policy[-1].weight.mul_(50)                     # so that probabilities differ from state to state

    def forward(self, obs):
        if torch.is_grad_enabled():
            self.seen.append(obs.detach().clone())
        return super().forward(obs)


def _config(**changes):
    given = {"total_steps": 48, "num_steps": 8, "epochs": 1, "minibatch_size": 1000, "learning_rate": 0.01, "gamma": 0.9, "lam": 0.8,
             "clip": 0.15, "entropy_coefficient": 0.3, "value_coefficient": 0.7, "max_grad_norm": 0.4, "reward_scale": 0.5,
             "final_learning_rate": 0.2, "seed": 3}
    return PPOConfig(**{**given, **changes})


def _made_up(T=8, N=3, seed=1):
    """A rollout of random numbers, with ends of both kinds."""
    rng = torch.Generator().manual_seed(seed)
    kind = (torch.randperm(T * N, generator=rng) % 6).reshape(T, N)
    return {"obs": torch.randn(T, N, 4, generator=rng), "actions": torch.randint(2, (T, N), generator=rng),
            "logprobs": -torch.rand(T, N, generator=rng) - 0.3, "values": torch.randn(T, N, generator=rng),
            "rewards": torch.randn(T, N, generator=rng) + 1, "terminated": kind <= 1, "truncated": (kind == 1) | (kind == 2),
            "final_values": torch.randn(T, N, generator=rng) * (kind <= 2), "last_values": torch.randn(N, generator=rng)}


def _played(fn, steps=8, num_envs=16, config=None, network=None):
    """(agent, its environments, its network, its first rollout)."""
    envs, network = ScriptedEnvs(2 * steps, num_envs), network or SpiedNetwork()
    agent = fn(envs, network, config or _config(num_steps=steps))
    return agent, envs, network, fn.method(agent, "rollout")


CALL = "PPOAgent(envs, network, config).{}"


@build.case("rollout: nine tensors, and their shapes", seconds=30)
def _(fn):
    _, _, _, rollout = _played(fn, num_envs=3)
    names = (*PER_STEP, "last_values")
    missing = [name for name in names if not isinstance(rollout, dict) or name not in rollout]
    if missing:
        raise Fail(expected=f"a dict with {', '.join(names)}", got=rollout, mistake=f"`rollout` gives a dict back, and {missing[0]!r} is missing.")
    for name in names:
        shape_is(rollout[name], {"obs": (8, 3, 4), "last_values": (3,)}.get(name, (8, 3)), call=CALL.format(f"rollout()[{name!r}]"),
                 mistake="Time comes first, then the environments: `torch.stack` the T steps of each name. num_steps is 8 here, and there are 3 environments.")
        kind = {"actions": torch.int64, "terminated": torch.bool, "truncated": torch.bool}.get(name, torch.float32)
        if not isinstance(rollout[name], torch.Tensor) or rollout[name].dtype != kind:
            raise Fail(CALL.format(f"rollout()[{name!r}]"), f"a tensor of {kind}", rollout[name], "Environments speak numpy and float64, networks torch and float32: "
                       "`torch.as_tensor(rewards).float()`; what is True or False stays bool.")
        if rollout[name].requires_grad:
            raise Fail(CALL.format(f"rollout()[{name!r}]"), "data without a gradient", "a tensor that requires a gradient",
                       "A rollout is data. Act under `torch.no_grad()`, or the old log-probabilities will move with the new ones.")


@build.case("rollout: what happened at each step stands in its row")
def _(fn):
    _, envs, _, rollout = _played(fn)
    script = {"obs": torch.from_numpy(envs.obs), "rewards": torch.from_numpy(envs.rewards).float(), "actions": torch.from_numpy(np.stack(envs.actions)),
              "terminated": torch.from_numpy(envs.terminated), "truncated": torch.from_numpy(envs.truncated)}
    for name, rows in script.items():
        likely = {"obs": [(rows[1:9], "These are the observations *after* each step. Keep the one that the action was chosen from.")],
                  "terminated": [(script["truncated"][:8], "`terminated` and `truncated` have changed places."),
                                 ((script["truncated"] | script["terminated"])[:8], "This is every end. `terminated` and `truncated` are kept apart: a value follows only after a truncation.")],
                  "truncated": [((script["truncated"] & ~script["terminated"])[:8], "Keep `truncated` as the environments give it; `advantages` decides what counts where both are true.")],
                  "rewards": [(0.5 * rows[:8], "The rewards are scaled here already. `rollout` keeps them as they came; `advantages` scales them.")]}
        close(rollout[name], rows[:8], call=CALL.format(f"rollout()[{name!r}]"), likely=likely.get(name, []),
              otherwise=f"Row t of {name!r} is not what the environments gave (or got) at step t.")


@build.case("rollout: log-probabilities and values of what was seen; ends have a value of their own")
def _(fn):
    _, envs, network, rollout = _played(fn)
    seen, final = torch.from_numpy(envs.obs), torch.from_numpy(envs.final_obs[:8])
    ended = torch.from_numpy(envs.terminated | envs.truncated)[:8]
    with torch.no_grad():
        distribution, values = network(seen[:8])
        after, at_end = network(seen)[1][1:9], network(final)[1]
    logprobs = distribution.log_prob(rollout["actions"])
    close(rollout["logprobs"], logprobs, call=CALL.format("rollout()['logprobs']"), likely=[
        (logprobs.exp(), "These are probabilities. The ratio needs their logarithms: `distribution.log_prob(actions)`."),
        (distribution.log_prob(1 - rollout["actions"]), "These belong to the other action: log_prob of the actions that were taken is wanted.")],
        otherwise="`logprobs[t]` is log pi(actions[t] | obs[t]), of the policy that acted.")
    close(rollout["values"], values, call=CALL.format("rollout()['values']"), likely=[
        (after, "These are the values after each step. `values[t]` is the critic's estimate for obs[t], before it.")])
    close(rollout["last_values"], after[-1], call=CALL.format("rollout()['last_values']"), likely=[
        (values[-1], "This is the value *before* the last step. `last_values` belongs to the observation after it, `self.obs`.")])
    close(rollout["final_values"], at_end * ended, call=CALL.format("rollout()['final_values']"), likely=[
        (after * ended, "Where an episode ended, the new observation is the next episode's first. Its true last one is in info['final_obs']."),
        (at_end * torch.from_numpy(envs.truncated)[:8], "Only truncated episodes have a final value here. Keep it wherever an episode ended: `advantages` decides what counts."),
        (torch.zeros_like(at_end), "Nothing was kept: where an episode ended, the critic's value of info['final_obs'][n] is wanted.")],
        otherwise="`final_values[t, n]` is the critic's estimate for info['final_obs'][n] where episode n ended with step t, and 0 everywhere else.")
    if bool((rollout["actions"] == distribution.mode()).all()):
        raise Fail(CALL.format("rollout()['actions']"), "actions drawn by their probabilities", "the likeliest action every time",
                   "Draw the actions, `distribution.sample(generator)`: a policy that never tries anything else has nothing to compare.")


@build.case("rollout: the second one goes on where the first ended")
def _(fn):
    agent, envs, network, _ = _played(fn)
    rollout = fn.method(agent, "rollout")
    close(rollout["obs"], torch.from_numpy(envs.obs[8:16]), call="the second " + CALL.format("rollout()['obs']"), likely=[
        (torch.from_numpy(np.concatenate([envs.obs[:1], envs.obs[9:16]])), "The environments were reset, or the first observation was kept: go on with the one that the last step gave, `self.obs`.")])
    if len(envs.seeds) != 1:
        raise Fail("two rollouts", "one reset, in __init__", f"{len(envs.seeds)} resets", "Reset once, in `__init__`. Episodes run on from one rollout to the next; with a reset each time nothing beyond T steps is ever seen.")
    running, returns = np.zeros(16), []
    for rewards, ended in zip(envs.rewards, envs.terminated | envs.truncated, strict=True):
        running += rewards
        returns += running[ended].tolist()
        running[ended] = 0.0
    close(getattr(agent, "steps", None), 256, call=CALL.format("steps") + " after two rollouts of 8 steps in 16 environments", likely=[
        (16, "Count the steps of all environments: T * N a rollout."), (128, "The steps of the second rollout are missing, or of the first.")])
    if len(returns) != len(agent.episode_returns):
        raise Fail(CALL.format("episode_returns"), f"{len(returns)} returns, one for each episode that ended", f"{len(agent.episode_returns)} returns",
                   "An episode ends where `terminated` or `truncated` is true; each gives one entry in `episode_returns`.")
    close(list(map(float, agent.episode_returns)), returns, call=CALL.format("episode_returns"),
          otherwise="The return of an episode is the sum of all its rewards, unscaled, those of earlier rollouts included; a new episode begins with 0.")


@build.case("advantages: bootstrap where truncated, stop at every end")
def _(fn):
    for seed, changes in enumerate(({}, {"gamma": 0.99, "lam": 0.95, "reward_scale": 0.1})):
        config, rollout = _config(**changes), _made_up(seed=seed)
        agent = fn(ScriptedEnvs(8, 3), SpiedNetwork(), config)
        got = fn.method(agent, "advantages", rollout)
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise Fail(expected="two tensors: advantages, returns", got=got, mistake="`advantages` gives two tensors back: the advantages, and the returns that the critic learns.")
        advantages, returns = _advantages(rollout, config)
        slips = {"No value was added where an episode was truncated (exercise 02.6): the agent was doing well and only the time limit stopped it.": {"bootstrap": "never"},
                 "A value was added at terminated episodes as well. After a fall nothing follows.": {"bootstrap": "every end"},
                 "Where an episode is terminated *and* truncated, the fall counts: no value is added.": {"bootstrap": "every truncation"},
                 "The advantages run on into the next episode where one was truncated: `dones` is `terminated | truncated`.": {"next_episode": True},
                 "The ends are shifted by one step: `terminated[t]` and `truncated[t]` say that the episode ended *after* step t, as `gae` wants it.": {"shift": 1},
                 "The rewards are to be multiplied by config.reward_scale.": {"scale": False}}
        likely = [(_advantages(rollout, config, **slip)[0], words) for words, slip in slips.items()]
        close(got[0], advantages, likely=[
            *likely, (objectives.standardized(advantages), "Not normalized yet, please: the returns are made from these advantages. `update` normalizes what the policy's loss gets."),
            (returns, "These are the returns, advantages + values: advantages come first.")])
        close(got[1], returns, likely=[(advantages, "The returns, the critic's targets, are advantages + values."),
                                       (objectives.standardized(advantages) + rollout["values"], "The returns were made from normalized advantages.")])


@build.case("loss: clipped objective, the critic's error, entropy bonus")
def _(fn):
    for seed, changes in enumerate(({}, {"clip": 0.3, "entropy_coefficient": 0.05, "value_coefficient": 0.2})):
        config, rollout, network = _config(**changes), _made_up(seed=seed), SpiedNetwork(seed)
        agent = fn(ScriptedEnvs(8, 3), network, config)
        batch = [rollout[name].flatten(0, 1) for name in ("obs", "actions", "logprobs", "values", "rewards")]
        got = fn.method(agent, "loss", *batch)
        wrongly = {"The entropy bonus has the wrong sign: a loss is made small, and entropy should be large.": {"entropy": -1},
                   "The entropy bonus is missing.": {"entropy": 0}, "The critic's error is missing.": {"value": 0},
                   "The critic's error is halved twice: value_coefficient times the mean of (values - returns)².": {"value": 0.5},
                   "The critic's error is not multiplied by value_coefficient.": {"value": 1 / config.value_coefficient},
                   "The policy's part has the wrong sign: its objective should become large, and the loss small.": {"policy": -1}}
        likely = [(_whole_loss(network, config, *batch, **slip).item(), words) for words, slip in wrongly.items()]
        unclipped = replace(config, clip=float("inf"))
        close(got, _whole_loss(network, config, *batch).item(), likely=[*likely, (_whole_loss(network, unclipped, *batch).item(), "Nothing was clipped: exercise 02.2 has the clipped objective.")])
        if not isinstance(got, torch.Tensor) or not got.requires_grad:
            raise Fail(expected="a tensor through which gradients flow", got=got, mistake="No gradient flows through the loss: `.item()`, `.detach()` or `torch.no_grad()` cut it.")
        network.zero_grad()
        got.backward()
        mine, twin = _gradient(network), copy.deepcopy(network)
        twin.zero_grad()
        _whole_loss(twin, config, *batch).backward()
        close(mine, _gradient(twin), call="the gradient of " + CALL.format("loss(...)"), rtol=1e-3,
              otherwise="The loss is right and its gradient is not: a part of it is detached. Log-probabilities, entropy and values all need their gradient.")


def _watched_update(fn, config, rollout, network):
    """(losses, gradient at each optimizer step, rows of the steps in each minibatch) of the learner's update."""
    agent = fn(ScriptedEnvs(8, 3), network, config)
    gradients = []
    hook = register_optimizer_step_pre_hook(lambda *_: gradients.append(_gradient(network)))
    network.seen.clear()
    try:
        losses = fn.method(agent, "update", rollout)
    finally:
        hook.remove()
    wanted = config.epochs * math.ceil(rollout["values"].numel() / config.minibatch_size)
    if len(gradients) != wanted:
        raise Fail(expected=f"{wanted} steps of the optimizer", got=f"{len(gradients)} steps", mistake="Each minibatch of each epoch is one gradient step: is `optimizer.step()` "
                   "missing, or does it stand in the wrong loop?" if len(gradients) < wanted else "One step of the optimizer for each minibatch of each epoch, and no more.")
    if not isinstance(losses, list | tuple) or len(losses) != wanted:
        raise Fail(expected=f"a list of {wanted} losses", got=losses, mistake="`update` gives the losses back, one number for each minibatch, in order.")
    rows = {tuple(row): place for place, row in enumerate(rollout["obs"].flatten(0, 1).tolist())}
    batches = [torch.tensor([rows.get(tuple(row), -1) for row in seen.reshape(-1, 4).tolist()]) for seen in network.seen]
    whole, last = divmod(24, config.minibatch_size)
    sizes = ([config.minibatch_size] * whole + [last] * (last > 0)) * config.epochs
    if [len(batch) for batch in batches] != sizes:
        raise Fail(CALL.format("update(rollout)"), f"minibatches of {sizes} of the 24 steps", f"the network was trained on {[len(batch) for batch in batches]} steps",
                   "An epoch goes through all T * N steps in pieces of minibatch_size; the last piece may be smaller, and is used too. The network is called once for each.")
    epochs = torch.cat(batches).reshape(config.epochs, 24)
    if not bool((epochs.sort().values == torch.arange(24)).all()):
        raise Fail(CALL.format("update(rollout)"), "each of the 24 steps once in every epoch", "some twice or more, others never",
                   "Draw one permutation of all steps in each epoch and cut it into pieces. Minibatches drawn one by one miss a third of the steps.")
    if bool((epochs[0] == epochs[-1]).all()) and config.epochs > 1:
        raise Fail(CALL.format("update(rollout)"), "a new order in each epoch", "the same order each time", "Shuffle inside the loop over epochs: `torch.randperm` once in each.")
    return torch.tensor([float(loss) for loss in losses]), torch.stack(gradients), batches


def _follows(losses, gradients, steps, slips, before, config, rollout, batches, otherwise):
    """Compare the gradients of some steps and all losses with those expected. slips: message -> arguments of `_updated`."""
    for correction in (1, 0):
        right, right_gradients = _updated(before, config, rollout, batches, correction)
        if difference(losses, right, 0.01, 2e-3) is None:
            break
    wrongly = {}
    if difference(losses, right, 0.01, 2e-3) or difference(gradients[steps], right_gradients[steps], 0.02, 1e-3):
        wrongly = {(words, correction): _updated(before, config, rollout, batches, correction, **slip) for words, slip in slips.items() for correction in (1, 0)}
    close(losses[:1], right[:1], call="the first loss of " + CALL.format("update(rollout)"), rtol=0.01, atol=2e-3,
          likely=[(wrong[0][:1], words) for (words, _), wrong in wrongly.items()], otherwise=otherwise)
    close(gradients[steps], right_gradients[steps], call="the gradient before a step of the optimizer", rtol=0.02, atol=1e-3,
          likely=[(wrong[1][steps], words) for (words, _), wrong in wrongly.items()], otherwise=otherwise)
    close(losses, right, call=CALL.format("update(rollout)"), rtol=0.01, atol=2e-3,
          likely=[(wrong[0], words) for (words, _), wrong in wrongly.items()], otherwise=otherwise)


@build.case("update: one step on the whole rollout")
def _(fn):
    config, rollout, network = _config(value_coefficient=0.1), _made_up(), SpiedNetwork()
    before = copy.deepcopy(network)
    losses, gradients, _ = _watched_update(fn, config, rollout, network)
    if not bool(gradients.any()):
        raise Fail("the gradient before the optimizer's step", "a gradient", "0 everywhere", "The gradient is 0 when the optimizer steps: `zero_grad` goes before `backward`, and `step` after it.")
    length = gradients[0].norm().item()
    slips = {"The advantages are not normalized: mean 0, standard deviation 1 over the whole rollout.": {"weights": "none"},
             "The old log-probabilities are those that the rollout kept. Yours come from the network as it is now: their ratio is always 1.": {"old": "anew"},
             f"The gradient was not clipped: its norm is {length:.3g}, and max_grad_norm is {config.max_grad_norm}. Clip between `backward` and `step`.": {"clipped": False}}
    _follows(losses, gradients, slice(0, 1), slips, before, config, rollout, [torch.arange(24)],
             "It is not what `loss` gives for the whole rollout. Were all parts flattened in the same way?")
    moved = max((a - b).abs().max().item() for a, b in zip(network.parameters(), before.parameters(), strict=True))
    close(moved, config.learning_rate, rtol=0.2, call="the largest change of a weight",
          otherwise="Adam's first step changes a weight by about the learning rate. Does the optimizer have config.learning_rate and the parameters of this very network?")


@build.case("update: the old log-probabilities stay while the policy moves")
def _(fn):
    config, network = _config(epochs=3, learning_rate=0.02, value_coefficient=0.1, max_grad_norm=100.0), SpiedNetwork()
    rollout, before = _made_up(), copy.deepcopy(network)
    with torch.no_grad():
        rollout["logprobs"] = network(rollout["obs"])[0].log_prob(rollout["actions"])
    losses, gradients, _ = _watched_update(fn, config, rollout, network)
    slips = {"The first step is right and the later ones are not: the old log-probabilities were taken anew after the policy had moved (exercise 02.5).": {"old": "anew"},
             "The gradients of all steps add up: `optimizer.zero_grad()` before each `backward()`.": {"zeroed": False}}
    _follows(losses, gradients, slice(1, 2), slips, before, config, rollout, [torch.arange(24)] * 3,
             "The later epochs work on the same rollout, with the same old log-probabilities, advantages and returns.")


@build.case("update: minibatches take every step once in each epoch, in a new order")
def _(fn):
    config, network, rollout = _config(epochs=2, minibatch_size=10, value_coefficient=0.1), SpiedNetwork(), _made_up()
    before = copy.deepcopy(network)
    losses, gradients, batches = _watched_update(fn, config, rollout, network)
    slips = {"The advantages were normalized in each minibatch. Here they are normalized once, over the whole rollout.": {"weights": "minibatch"}}
    _follows(losses, gradients, slice(0, 1), slips, before, config, rollout, batches,
             "The steps of the minibatches are right: do actions, log-probabilities, advantages and returns belong to the same steps as the observations?")


@build.case("all that is random follows from config.seed")
def _(fn):
    def run(seed):
        config, network = _config(minibatch_size=10, seed=seed), SpiedNetwork()
        agent, envs, _, rollout = _played(fn, config=config, network=network)
        if envs.seeds != [seed]:
            raise Fail("PPOAgent(envs, network, config)", f"envs.reset(seed={seed}): this is config.seed", " and ".join(f"envs.reset(seed={one})" for one in envs.seeds) or "no reset",
                       "Reset the environments with `seed=config.seed`, or no run can be repeated.")
        network.seen.clear()
        fn.method(agent, "update", _made_up())
        return rollout["actions"], torch.cat([seen.reshape(-1, 4) for seen in network.seen])

    (actions, order), (again, same_order), (others, _) = run(3), run(3), run(5)
    if not torch.equal(actions, again):
        raise Fail("the actions of two runs with config.seed = 3", actions, again, "Two runs with one seed should do the same. Hand the generator that is seeded with config.seed to `distribution.sample`.")
    if torch.equal(actions, others):
        raise Fail("the actions of runs with config.seed = 3 and 5", "two runs that differ", actions, "The generator is seeded with `config.seed`, not with a number of your own.")
    if not torch.equal(order, same_order):
        raise Fail("the minibatches of two runs with config.seed = 3", "the same minibatches", "others", "Two runs with one seed should do the same. Draw the order of the minibatches with the generator that is seeded with config.seed, too: "
                   "`torch.randperm(n, generator=...)`.")


@build.case("train: updates until total_steps, and the learning rate falls")
def _(fn):
    config, envs, network = _config(num_steps=8, total_steps=96, minibatch_size=12), ScriptedEnvs(32, 3), SpiedNetwork()
    agent, rates, optimizers = fn(envs, network, config), [], []

    def note(optimizer, *_):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizers.append(optimizer)

    hook = register_optimizer_step_pre_hook(note)
    try:
        history = fn.method(agent, "train")
    finally:
        hook.remove()
    if len(envs.actions) != 32:
        raise Fail(expected="4 rollouts of 8 steps in 3 environments: total_steps is 96", got=f"{len(envs.actions)} steps in each environment", mistake="`train` goes on while `steps` is below total_steps. Steps are counted in all environments together.")
    falls = [config.learning_rate * (1 - 0.8 * done) for done in (0, 0.25, 0.5, 0.75)]
    late = [config.learning_rate * (1 - 0.8 * done) for done in (0.25, 0.5, 0.75, 1.0)]
    close(rates, [rate for rate in falls for _ in range(2)], call="the learning rate at each gradient step", likely=[
        ([config.learning_rate] * 8, "The learning rate stays: set it in `optimizer.param_groups` before each update."),
        ([rate for rate in late for _ in range(2)], "The learning rate falls one update too early: it is set before the rollout, from the steps made until then, and starts at config.learning_rate."),
        ([config.learning_rate * (1 - done) for done in (0, 0.25, 0.5, 0.75) for _ in range(2)], "It falls to 0. At total_steps the share final_learning_rate of it is left.")],
        otherwise="learning_rate * (1 - (1 - final_learning_rate) * steps / total_steps), with the steps made before the update.")
    if any(optimizer is not optimizers[0] for optimizer in optimizers):
        raise Fail("train()", "one optimizer for the whole run", "a new one for some updates", "Make the optimizer once, in `__init__`: Adam's running means are lost with every new one.")
    close(optimizers[0].param_groups[0].get("eps"), 1e-5, atol=1e-9, call="the optimizer's eps", otherwise="Adam is wanted with `eps=1e-5`. With torch's own, 1e-8, a gradient that is nearly 0 still moves a weight by the whole learning rate.")
    returns = agent.episode_returns
    ended, means = np.cumsum((envs.terminated | envs.truncated).sum(1)).tolist(), []
    for count in ended[7::8]:
        recent = returns[max(0, count - 20):count]
        means.append(sum(recent) / len(recent))
    if not isinstance(history, list | tuple) or len(history) != 4 or any(len(point) != 2 for point in history):
        raise Fail(expected="4 pairs (steps, mean return of the last 20 episodes)", got=history, mistake="`train` gives the learning curve back: one pair after each update.")
    close([float(steps) for steps, _ in history], [24.0, 48.0, 72.0, 96.0], call="the steps in train()", otherwise="The first number of each pair is `steps` after that update.")
    close([float(mean) for _, mean in history], means, call="the returns in train()", otherwise="The second number is the mean of the last 20 entries of `episode_returns` (of all, while there are fewer).")


TRIES = 2               # seeds that a right program may need: about one training in a thousand goes astray


@build.case("it learns to balance: a mean return of 475", seconds=150, last=True)
def _(fn):
    steps, goal = budget(full=80_000, ci=16_000), budget(full=475, ci=60)
    best = 0.0
    for seed in range(TRIES):
        network = ActorCritic(4, 2, seed=seed)
        fn.method(fn(VectorCartPole(CARTPOLE.num_envs), network, replace(CARTPOLE.config, total_steps=steps, seed=seed)), "train")
        for policy in (sampled(network), greedy(network)):
            best = max(best, evaluate(VectorCartPole(20), policy).mean)
        if best >= goal:
            return
    raise Fail(f"train() for {steps:,} steps, then 20 fresh episodes", f"a mean return of {goal} of 500", f"{best:.0f}, the best of {TRIES} runs",
               "Each part passed by itself. Look at the curve that `train` gives back: does it rise and fall again (steps too large), or not rise at all?")
