"""What the build of lesson 04 must do, exercise 04.7; the other exercises stand in checks.py."""

import copy
from dataclasses import replace
from itertools import accumulate, groupby

import numpy as np
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from course_lib.budget import budget, in_ci
from course_lib.exercises import Fail, close, exercise, shape_is
from course_lib.preferences import bradley_terry, cartpole, reward_model, segments
from course_lib.preferences.environment_task import LoopConfig
from course_lib.preferences.hidden_reward import RewardIsHidden, hide_reward
from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.ppo import PPO, PPOConfig
from course_lib.rl.rollout import Rollout

build = exercise(
    "04.7", title="Build: the preference loop, from clips and labels to an agent", function="PreferenceLearner", points=8, kind="build",
    difficulty=3, importance=1, minutes=90, reference="checks:PreferenceLearner",
    hints=("Write the methods in the order of the page, and run the check after each: its cases come in the same order. Print the shape of "
           "`rollout.next_obs()`, of your clips, and of what `reward_model` gives for two of them.",
           "clips: `next_obs[:n * L]` becomes (n, L, N, 4) by `unflatten`; bring L and N into the wanted order, then flatten the first two dimensions. "
           "loss: the sum of the scores along a clip is its return; the two returns and `mu` go into the loss of lesson 03, exercise 03.1. "
           "fit: `torch.stack` the lists, then an ordinary training loop.",
           "rewards: under `torch.no_grad()`, scores of `rollout.next_obs()`, less the mean, over the standard deviation, times config.reward.std; both are those "
           "that `fit` remembered. `torch.where(rollout.ended, (1 + absorbing_steps) * reward, reward)`. train: one loop over "
           "`zip(config.labels, config.updates)`, with `for _ in self.ppo.train(until=...): pass` at its end, where `until` counts agent steps from the very start."))


class PreferenceLearner:
    """The loop of lesson 04 out of the library's pieces, with the parts that exercise 04.7 asks for."""

    def __init__(self, envs, network, reward_model, labeler, config):
        self.reward_model, self.labeler, self.config = reward_model, labeler, config
        self.rng = np.random.default_rng(config.seed)
        self.first, self.second, self.mu = [], [], []
        self.optimizer = torch.optim.AdamW(reward_model.parameters(), config.reward.learning_rate, weight_decay=config.reward.weight_decay)
        total = sum(config.updates) * config.ppo.num_steps * envs.num_envs
        self.ppo = PPO(envs, network, replace(config.ppo, total_steps=total, seed=config.seed), reward_function=self.rewards)

    def clips(self, rollout):
        """(K, L, 4)."""
        return _clips_of(rollout.next_obs(), self.config.clip_steps)

    def ask(self, clips, count):
        """Compare random pairs."""
        pairs = segments.random_pairs([segments.Segment(clip) for clip in clips], count, None, self.rng)
        for a, b in pairs:
            mu = self.labeler(a.obs, b.obs)
            if mu is not None:
                self.first.append(a.obs)
                self.second.append(b.obs)
                self.mu.append(mu)

    def loss(self, first, second, mu):
        """Bradley–Terry on returns."""
        return _preference_loss(self.reward_model, first, second, mu)

    def fit(self):
        """Fit the reward model to all labels."""
        first, second, mu, losses = torch.stack(self.first), torch.stack(self.second), torch.tensor(self.mu), []
        for _ in range(self.config.reward.fit_steps):
            loss = self.loss(first, second, mu)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            self.labelled = self.reward_model(torch.cat([first, second]))
        return losses

    @torch.no_grad()
    def rewards(self, rollout):
        """(T, N)."""
        rewards = reward_model.standardize_rewards(self.reward_model(rollout.next_obs()), self.labelled, self.config.reward.std)
        return rewards * (1 + self.config.absorbing_steps * rollout.ended)

    def train(self):
        """All rounds."""
        for labels, updates in zip(self.config.labels, accumulate(self.config.updates), strict=True):
            rollout, _ = self.ppo.collector.collect(self.config.ppo.num_steps)
            self.ask(self.clips(rollout), labels)
            self.fit()
            for _ in self.ppo.train(until=updates * self.ppo.steps_an_update):
                pass
        return self.ppo.network


class StateReward(nn.Module):
    """A score for each state, (..., 4) -> (...)."""

    def __init__(self, hidden: int = 16, seed: int = 0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Linear(4, hidden), nn.LeakyReLU(), nn.Linear(hidden, hidden), nn.LeakyReLU(), nn.Linear(hidden, 1))

    def forward(self, obs):
        """Scores."""
        return self.layers(obs * cartpole.SCALE).squeeze(-1)


def _clips_of(states, length):
    """(T, N, 4) cut into (N * (T // length), length, 4)."""
    count = len(states) // length
    return states[:count * length].unflatten(0, (count, length)).movedim(2, 0).flatten(0, 1)


def _preference_loss(model, first, second, mu, *, total=torch.sum):
    return bradley_terry.bradley_terry_loss(total(model(first), dim=-1), total(model(second), dim=-1), mu)


def _loop_config(**changes):
    """Small settings, none of them the default."""
    ppo = PPOConfig(num_steps=16, epochs=1, minibatch_size=32, learning_rate=2e-3)
    given = {"labels": (6, 9), "updates": (2, 3), "clip_steps": 5, "absorbing_steps": 7, "seed": 4, "ppo": ppo,
             "reward": reward_model.RewardConfig(fit_steps=8, std=0.3, learning_rate=0.02, weight_decay=1.0)}
    return LoopConfig(**{**given, **changes})


class Asked:
    """A labeler that likes clips whose first number is large, and remembers what it was asked and what it said."""

    def __init__(self):
        self.log = []

    def __call__(self, first, second):
        gap = float(first[:, 0].sum() - second[:, 0].sum())
        mu = (None, 0.5)[len(self.log) % 2] if len(self.log) % 5 > 2 else float(gap > 0)
        self.log.append((first.clone(), second.clone(), mu))
        return mu


def _sealed(num_envs=3):
    return hide_reward(VectorCartPole(num_envs, max_episode_steps=30))


def _made(fn, labeler=None, **changes):
    config = _loop_config(**changes)
    model = StateReward(seed=1)
    return fn(_sealed(), cartpole.ScaledActorCritic(0), model, labeler or Asked(), config), model, config


def _made_up(T=17, N=3, seed=0):
    """A made-up rollout with ends; true rewards are not in it."""
    rng = torch.Generator().manual_seed(seed)
    ended = (torch.randperm(T * N, generator=rng) % 5 == 0).reshape(T, N)
    kind = torch.rand(T, N, generator=rng) < 0.5
    return Rollout(obs=torch.randn(T, N, 4, generator=rng), actions=torch.zeros(T, N, dtype=torch.long), logprobs=torch.zeros(T, N),
                   values=torch.zeros(T, N), terminated=ended & kind, truncated=ended & ~kind, final_obs=torch.randn(int(ended.sum()), 4, generator=rng),
                   last_obs=torch.randn(N, 4, generator=rng), last_values=torch.zeros(N), rewards=None)


def _sorted(clips):
    """Clips in an order of their own, so that any order will do."""
    return clips[clips[:, 0, 0].argsort()]


def _places(asked, clips):
    """Which clips each question compared, -1 for what is none of them."""
    return [tuple(next((k for k, clip in enumerate(clips) if torch.equal(clip, side)), -1) for side in pair[:2]) for pair in asked]


def _sides(asked):
    """Both clips of each question, (2 P, L, 4)."""
    return torch.stack([clip for entry in asked for clip in entry[:2]])


LEARNER = "PreferenceLearner(envs, network, reward_model, labeler, config).{}"


@build.case("clips: pieces of what each action led to", seconds=30)
def _(fn):
    agent, _, _ = _made(fn)
    rollout = _made_up()
    got = fn.method(agent, "clips", rollout)
    shape_is(got, (9, 5, 4), mistake="17 steps of 3 environments hold 3 * (17 // 5) = 9 clips of 5 steps; what is left over is dropped. (K, L, 4) is wanted.")
    states = rollout.next_obs()
    shown = torch.cat([rollout.obs[1:], rollout.last_obs[None]])
    mixed = states[:15].reshape(9, 5, 4)
    close(_sorted(got), _sorted(_clips_of(states, 5)), likely=[
        (_sorted(_clips_of(rollout.obs, 5)), "These are the states *before* each step, so no fallen state is ever seen. `rollout.next_obs()` is what the actions led to."),
        (_sorted(_clips_of(shown, 5)), "Where an episode ended, the next row of `obs` is a new episode's first. `rollout.next_obs()` has the true last state there (exercise 04.5)."),
        (_sorted(mixed), "A clip mixes several environments: it is L steps of *one* of them in a row. Reshaping (T, N, 4) does not sort them; move the dimension of the environments first.")],
        otherwise="Each clip is steps k * L to k * L + L of one environment, for k = 0, 1, ...")


@build.case("ask: pairs of different clips, and what the labeler said of them")
def _(fn):
    labeler = Asked()
    agent, _, _ = _made(fn, labeler)
    clips = torch.randn(8, 5, 4)
    for count in (10, 6):
        before = len(labeler.log)
        fn.method(agent, "ask", clips, count)
        asked = labeler.log[before:]
        if len(asked) != count:
            raise Fail(expected=f"{count} questions", got=f"{len(asked)} questions", mistake="`count` pairs are asked, each once; a skipped pair is not replaced.")
        places = _places(asked, clips)
        if any(-1 in pair or pair[0] == pair[1] for pair in places):
            raise Fail(expected="two different clips in each question", got=places, mistake="A clip was compared with itself, or with something that is none of the clips.")
        if len({frozenset(pair) for pair in places}) < count:
            raise Fail(expected="no pair twice", got=places, mistake="A pair was asked twice in one call (the other way round counts as the same).")
    said = [entry for entry in labeler.log if entry[2] is not None]
    if not len(agent.first) == len(agent.second) == len(agent.mu) == len(said):
        raise Fail(LEARNER.format("first, second, mu"), f"{len(said)} labels: {len(labeler.log)} questions in two calls, less the skips",
                   f"{len(agent.first)}, {len(agent.second)} and {len(agent.mu)} entries",
                   "A skipped pair (None) brings no label, a tie (0.5) brings one, and labels of earlier calls stay.")
    mu = torch.tensor([entry[2] for entry in said])
    close(torch.tensor([float(one) for one in agent.mu]), mu, call=LEARNER.format("mu"), likely=[
        (1 - mu, "The labels are inverted: mu is 1 where the *first* clip was preferred."), (mu.round(), "A tie is a label of 0.5: keep it as it is.")],
        otherwise="`mu` holds the labeler's answers, in order.")
    for name, side in (("first", 0), ("second", 1)):
        close(torch.stack(list(getattr(agent, name))), torch.stack([entry[side] for entry in said]), call=LEARNER.format(name), likely=[
            (torch.stack([entry[1 - side] for entry in said]), "`first` and `second` have changed places, so every label says the opposite.")],
            otherwise="Position k of `first`, `second` and `mu` belong to one question.")


@build.case("ask: the pairs are random, from all clips, and follow from config.seed")
def _(fn):
    clips = torch.randn(8, 5, 4)

    def drawn(seed):
        labeler = Asked()
        agent, _, _ = _made(fn, labeler, seed=seed)
        fn.method(agent, "ask", clips, 10)
        return _places(labeler.log, clips)

    runs = [drawn(seed) for seed in range(6)]
    call = LEARNER.format("ask(clips, 10)")
    if runs[0] in runs[1:]:
        raise Fail(call, "other pairs with another config.seed", runs[0], "Draw the pairs at random, with a generator that is made from config.seed.")
    never = set(range(len(clips))) - {place for run in runs for pair in run for place in pair}
    if never:
        raise Fail(call, f"pairs of all {len(clips)} clips", f"number {min(never)} in no pair, with any of {len(runs)} seeds", "Draw the pairs at random from *all* of the clips.")
    again = drawn(0)
    if again != runs[0]:
        raise Fail(call + ", twice with config.seed = 0", runs[0], again, "With one seed a run should ask the same pairs each time: draw with a generator that is made from config.seed.")


@build.case("loss: Bradley–Terry on the returns of the clips")
def _(fn):
    agent, model, _ = _made(fn)
    for seed in range(2):
        rng = torch.Generator().manual_seed(seed)
        first, second, mu = torch.randn(6, 5, 4, generator=rng), torch.randn(6, 5, 4, generator=rng), torch.tensor([1.0, 0.0, 0.5, 1.0, 1.0, 0.0])
        got = fn.method(agent, "loss", first, second, mu)
        right = _preference_loss(model, first, second, mu)
        close(got, right.item(), likely=[
            (_preference_loss(model, first, second, 1 - mu).item(), "The labels are inverted: mu is the probability that the *first* clip is better, sigmoid(return of first - return of second)."),
            (_preference_loss(model, first, second, mu, total=torch.mean).item(), "The score of a clip is the *sum* of its steps, not their mean (exercise 04.1)."),
            (6 * right.item(), "This is the sum over the pairs. Take the mean.")])
        if not isinstance(got, torch.Tensor) or not got.requires_grad:
            raise Fail(expected="a tensor through which gradients flow", got=got, mistake="No gradient flows through the loss to the reward model: `.item()`, `.detach()` or `torch.no_grad()` cut it.")
        wanted = torch.autograd.grad(right, list(model.parameters()))
        for mine, want in zip(torch.autograd.grad(got, list(model.parameters()), allow_unused=True), wanted, strict=True):
            close(torch.zeros_like(want) if mine is None else mine, want, call="the gradient of " + LEARNER.format("loss(...)"), rtol=1e-3,
                  otherwise="The loss is right and its gradient is not: the returns of both clips need it.")


@build.case("fit: some steps on all labels so far, and it goes on where it was")
def _(fn):
    labeler = Asked()
    agent, model, config = _made(fn, labeler)
    twin, steps = copy.deepcopy(model), []
    hook = register_optimizer_step_pre_hook(lambda *_: steps.append(1))
    fits = []
    try:
        for seed in range(2):
            fn.method(agent, "ask", torch.randn(8, 5, 4, generator=torch.Generator().manual_seed(seed)), 10)
            twin.load_state_dict(model.state_dict())
            said = [entry for entry in labeler.log if entry[2] is not None]
            data = [torch.stack([entry[side] for entry in said]) for side in (0, 1)]
            mu = torch.tensor([entry[2] for entry in said])
            newest = len([entry for entry in labeler.log[-10:] if entry[2] is not None])
            expected = _preference_loss(twin, *data, mu).item()
            only_new = _preference_loss(twin, *(side[-newest:] for side in data), mu[-newest:]).item()
            losses = fn.method(agent, "fit")
            if not isinstance(losses, list | tuple) or len(losses) != 8:
                raise Fail(expected="a list of fit_steps = 8 losses", got=losses, mistake="`fit` gives the losses back, one number for each of config.reward.fit_steps steps.")
            close(float(losses[0]), expected, call="the first loss of " + LEARNER.format("fit()"), likely=[] if seed == 0 else [
                (only_new, "Only the newest labels were used. Fit to all labels so far, or the reward model forgets the falls of the first round.")],
                otherwise="The first loss is that of the reward model as it was handed in (or as the last fit left it), on all labels at once.")
            fits.append([float(loss) for loss in losses])
    finally:
        hook.remove()
    if len(steps) != 16:
        raise Fail(expected="16 steps of the optimizer in two fits", got=f"{len(steps)} steps", mistake="Each of the fit_steps steps is `zero_grad`, `backward`, `step`; there are fit_steps = 8 here.")
    close(fits[0][1], _second_loss(fits[0][0], model, labeler, config), call="the second loss of the first " + LEARNER.format("fit()"), rtol=1e-3,
          otherwise="After one step of AdamW with config.reward.learning_rate and config.reward.weight_decay the loss should be this: are all parameters of `reward_model` trained, and by this rate?")
    if fits[0][-1] > 0.95 * fits[0][0]:
        raise Fail(expected="a loss that falls", got=fits[0], mistake="The loss does not fall: does each step follow its own `zero_grad` and `backward`?")


def _second_loss(first_loss, model, labeler, config):
    """The loss after one right step on the labels of the first ten questions."""
    twin = StateReward(seed=1)
    said = [entry for entry in labeler.log[:10] if entry[2] is not None]
    data = (*(torch.stack([entry[side] for entry in said]) for side in (0, 1)), torch.tensor([entry[2] for entry in said]))
    optimizer = torch.optim.AdamW(twin.parameters(), config.reward.learning_rate, weight_decay=config.reward.weight_decay)
    _preference_loss(twin, *data).backward()
    optimizer.step()
    return _preference_loss(twin, *data).item()


@build.case("rewards: standardized over the labelled clips; the end of an episode counts for more")
def _(fn):
    for absorbing, std in ((7, 0.3), (20, 0.15)):
        labeler = Asked()
        agent, model, config = _made(fn, labeler, absorbing_steps=absorbing, reward=reward_model.RewardConfig(fit_steps=5, std=std))
        for shift in (-1, 1):
            fn.method(agent, "ask", 2 * torch.randn(12, 5, 4) + shift, 60)
            before = copy.deepcopy(model)
            fn.method(agent, "fit")
        rollout = _made_up(170, 4, seed=absorbing)          # so many that `std(correction=0)` will do as well
        got = fn.method(agent, "rewards", rollout)
        shape_is(got, (170, 4), mistake="One reward for each step of each environment, (T, N).")
        if getattr(got, "requires_grad", False):
            raise Fail(expected="rewards without a gradient", got="a tensor that requires a gradient", mistake="Rewards are data for PPO: compute them under `torch.no_grad()`.")
        said = [entry for entry in labeler.log if entry[2] is not None]
        with torch.no_grad():
            labelled, early = model(_sides(said)), before(_sides(said))
            newest = model(_sides([entry for entry in labeler.log[60:] if entry[2] is not None]))
            all_asked = model(_sides(labeler.log))
            after, seen = model(rollout.next_obs()), model(rollout.obs)

        def of(scores, over, deviation=std, extra=absorbing, ended=rollout.ended):
            return reward_model.standardize_rewards(scores, over, deviation) * (1 + extra * ended)

        close(got, of(after, labelled), rtol=2e-3, likely=[
            (of(seen, labelled), "These are the rewards of the states *before* each step. An action is rewarded for what it led to: `rollout.next_obs()`."),
            (of(after, after), "The scores were standardized over the rollout itself. An agent that improves would never notice: zero and scale come from the labelled clips (exercise 04.2)."),
            (of(after, all_asked), "Pairs that were skipped are among the clips that give zero and scale. Only labelled clips count."),
            (of(after, newest), "Zero and scale come from the newest labels alone. Score the clips of *all* labels so far."),
            (of(after, early), "Zero and scale come from scores that the labelled clips had before the last fit. Score them afterwards."),
            (of(after, labelled, extra=0), "The end of an episode counts like any other step. Its reward is multiplied by 1 + absorbing_steps (section 4.8)."),
            (of(after, labelled, extra=absorbing - 1), f"The last state counts once, and for absorbing_steps = {absorbing} steps more: 1 + {absorbing} times."),
            (of(after, labelled, ended=rollout.terminated), "Only where an episode was terminated does the end count for more. It should wherever an episode ended: `rollout.ended`."),
            (after * (1 + absorbing * rollout.ended), "These are raw scores, without a zero and a scale."),
            (of(after, labelled, deviation=1.0), "The standard deviation over the labelled clips is 1 here, and should be config.reward.std.")],
            otherwise="(score - mean) / std * config.reward.std with mean and standard deviation of the scores of all labelled states, taken after the fit; times 1 + absorbing_steps where an episode ended.")


def _told_apart(optimizer, agent, model):
    """Whose step this is: the reward model's or the policy's."""
    mine = {id(parameter) for parameter in model.parameters()}
    return "fit" if id(optimizer.param_groups[0]["params"][0]) in mine else "train"


@build.case("train: collect, label, fit, train, in every round")
def _(fn):
    labeler, events = Asked(), []

    def watching(first, second):
        events.append("label")
        return labeler(first, second)

    agent, model, config = _made(fn, watching)
    hook = register_optimizer_step_pre_hook(lambda optimizer, *_: events.append(_told_apart(optimizer, agent, model)))
    start = copy.deepcopy(agent.ppo.network)
    try:
        network = fn.method(agent, "train")
    except RewardIsHidden as error:
        raise Fail(expected="a run on learned rewards alone", got="something that looked at the true reward", mistake="The policy was trained on the true reward, or something read it. "
                   "Hand `reward_function=self.rewards` to PPO: it then never looks at the environments' own.") from error
    finally:
        hook.remove()
    told = [(key, len(list(group))) for key, group in groupby(events)]
    right = [("label", 6), ("fit", 8), ("train", 4), ("label", 9), ("fit", 8), ("train", 6)]
    if told != right:
        words = "In each round: `labels[r]` questions, one fit, `updates[r]` updates of PPO (here of two gradient steps each)."
        if [key for key, _ in told] == [key for key, _ in right]:
            words += " The order is right, the numbers are not: `ppo.train(until=...)` counts agent steps from the very start, all rounds together."
        raise Fail(expected=" → ".join(f"{key} {n}" for key, n in right), got=" → ".join(f"{key} {n}" for key, n in told), mistake=words)
    if not isinstance(network, nn.Module):
        raise Fail(expected="the trained network", got=network, mistake="`train` gives the network back that PPO trained, `self.ppo.network`.")
    if all(torch.equal(a, b) for a, b in zip(network.parameters(), start.parameters(), strict=True)):
        raise Fail(expected="a network that has learned", got="the network as it was at first", mistake="The network that came back is not the one that PPO trained.")
    if agent.ppo.config.total_steps != 5 * 16 * 3 or agent.ppo.config.seed != config.seed:
        raise Fail(LEARNER.format("ppo.config"), f"total_steps = 5 updates * 16 steps * 3 environments = 240, seed = {config.seed}",
                   f"total_steps = {agent.ppo.config.total_steps}, seed = {agent.ppo.config.seed}", "The learning rate falls over total_steps: all updates of all rounds.")
    early, late = _sides(labeler.log[:6]), _sides(labeler.log[6:])
    old = sum(bool((clip == early).flatten(1).all(1).any()) for clip in late)
    if old > 0:
        raise Fail(expected="clips of the second rollout in the second round", got=f"{old} of {len(late)} are from the first round",
                   mistake="Collect a new rollout in each round and ask about *its* clips: they show what the agent does now.")


TRIES = 2               # seeds that a right program may need
BALANCE = LoopConfig(labels=(100, 100, 100), updates=(5, 6, 9),
                     reward=reward_model.RewardConfig(fit_steps=150),
                     ppo=PPOConfig(num_steps=128, epochs=4, minibatch_size=1024, learning_rate=2e-3, entropy_coefficient=0.005))


@build.case("it learns to balance near the middle: 475 of 500 steps, less than 1 m away", seconds=240, last=True)
def _(fn):
    short = in_ci()
    goal, near = budget(full=475, ci=30), budget(full=1.0, ci=2.4)
    config = replace(BALANCE, labels=(30, 30), updates=(2, 3)) if short else BALANCE
    found = []
    for seed in range(TRIES):
        synthetic = cartpole.CartPoleLabeler(seed=seed)
        agent = fn(hide_reward(VectorCartPole(32)), cartpole.ScaledActorCritic(seed), StateReward(seed=seed),
                   lambda a, b, synthetic=synthetic: synthetic(segments.Segment(a), segments.Segment(b)), replace(config, seed=seed))
        episodes = cartpole.fresh_episodes(fn.method(agent, "train"))
        found.append(f"{episodes.true_return:.0f} steps, {episodes.mean_distance:.2f} m")
        if episodes.true_return >= goal and episodes.mean_distance < near:
            return
    raise Fail("train(), then 20 fresh episodes", f"{goal} of 500 steps or more, less than {near} m from the middle on average", " and with another seed ".join(found),
               "Each part passed by itself. Does the loss of each fit fall well below 0.69? Do the rewards of falls lie far below 0?")
