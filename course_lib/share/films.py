"""Films of the agents that a learner's runs have kept, one before the first round and one after each.

The loop keeps the agent of every round (preferences/loop_state.py), a few kB each, and no film: so an agent plays again
here, always from the same start. Only this page's viewers see how it does; nothing that learns does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from course_lib.errors import CourseError
from course_lib.paths import my_work
from course_lib.show.video import encode
from course_lib.training.checkpoint import load_checkpoint

MAX_BYTES, WIDTH = 60_000, 220
CARTPOLE_STEPS, HOPPER_SECONDS, ATARI_STEPS = 300, 4.0, 120
SAMPLES, ANSWER_TOKENS = 4, 48


@dataclass(frozen=True)
class Film:
    """One agent at work."""

    when: str                           # "before", "after round 2"
    moving: bytes                       # an animated WebP
    still: bytes                        # its middle picture
    says: str                           # what is seen, in words and numbers


@dataclass(frozen=True)
class Trained:
    """One run of the preference loop that has trained an agent or a language model."""

    run: str
    rounds: int
    labels: int
    source: str                         # "human", "scripted" or "mixed"
    films: tuple[Film, ...] = ()
    samples: tuple[tuple[str, str, str], ...] = ()         # (prompt, answer before, answer after the last round)


def trained_runs(tell: Callable[[str], None]) -> Iterator[Trained]:
    """Every run below my_work/checkpoints that has finished a round. tell: takes a sentence for the learner alone."""
    for path in sorted((my_work() / "checkpoints").rglob("loop.pt")):
        try:
            state = load_checkpoint(path)
            config, agents = state["config"], state["agents"]
            run, task, seed = str(config["run"]), str(config["task"]), int(config["seed"])
            sources = set(state["verdicts"]["sources"]) if state["verdicts"] else set()
            labels = len(state["verdicts"]["mu"]) if state["verdicts"] else 0
        except (CourseError, KeyError, TypeError, ValueError) as error:
            tell(f"{path.parent.name} was left out: its state cannot be read ({type(error).__name__}).")
            continue
        if len(agents) < 2:
            tell(f"{path.parent.name} was left out: its first round has not been trained yet.")
            continue
        tell(f"{path.parent.name}: films or texts from before and after {len(agents) - 1} of its rounds …")
        source = sources.pop() if len(sources) == 1 else "mixed"
        try:
            yield Trained(run, len(agents) - 1, labels, source, **shown(task, seed, agents))
        except (CourseError, RuntimeError, KeyError, TypeError, ValueError, ImportError, OSError) as error:
            tell(f"{path.parent.name} is listed without films: its agent could not act ({error}).")
            yield Trained(run, len(agents) - 1, labels, source)


def shown(task: str, seed: int, agents: list[dict]) -> dict[str, tuple]:
    """`films` or `samples` of a run by the name of its task; neither for a task of the learner's own."""
    if task == "answers":
        return {"samples": answers(seed, agents[0], agents[-1])}
    if task == "cartpole":
        film = cartpole
    elif task == "hopper":
        film = hopper
    else:
        from course_lib.atari.tasks import TASKS

        if task not in TASKS:
            return {}
        film = atari(task)
    return {"films": tuple(film(seed, agent, "before" if number == 0 else f"after round {number}")
                           for number, agent in enumerate(agents))}


def filmed(when: str, frames: np.ndarray, fps: float, says: str) -> Film:
    """Frames (T, H, W, 3) uint8 as a film."""
    return Film(when, encode(frames, fps, WIDTH, MAX_BYTES), encode(frames[len(frames) // 2:][:1], fps, WIDTH), says)


def cartpole(seed: int, agent: dict, when: str) -> Film:
    """An episode of CartPole in real time."""
    import gymnasium

    from course_lib.preferences.cartpole import ScaledActorCritic
    from course_lib.rl.cartpole import render
    from course_lib.rl.evaluate import greedy, record

    network = restored(ScaledActorCritic(seed), agent)
    episode = record(gymnasium.make("CartPole-v1"), greedy(network), seed=3, max_steps=CARTPOLE_STEPS, frames=False)
    frames = np.stack([render(state, WIDTH, WIDTH // 2) for state in episode.obs[::-3][::-1]])
    steps = len(episode.obs) - 1
    end = "and stays up" if steps >= CARTPOLE_STEPS else "then falls"
    return filmed(when, frames, 17, f"The pole stands for {steps} steps, {steps * 0.02:.1f} seconds, {end}.")


def hopper(seed: int, agent: dict, when: str) -> Film:
    """Some seconds of the hopper from standing, in real time."""
    from course_lib.hopper.task import HopperTask, perform

    shown = perform(restored(HopperTask().network(seed), agent), HOPPER_SECONDS, hoppers=1)
    way = "backwards" if shown.mean_turns >= 0 else "forwards"
    return filmed(when, shown.film(width=WIDTH), 25,
                  f"In {HOPPER_SECONDS:.0f} seconds the hopper turns {way} {abs(shown.mean_turns):.1f} times; its "
                  f"torso is {shown.mean_height:.2f} m high on average.")


def atari(task: str) -> Callable[[int, dict, str], Film]:
    """Some seconds of a game of Atari, by the name of its task."""
    from course_lib.atari.envs import AtariEnvs
    from course_lib.atari.evaluate import FRESH_SEED
    from course_lib.atari.games import in_colour
    from course_lib.atari.tasks import TASKS
    from course_lib.rl.evaluate import sampled

    @torch.no_grad()
    def film(seed: int, agent: dict, when: str) -> Film:
        kind = TASKS[task]
        envs, policy = AtariEnvs(kind.game, 1, kind.encoder(), keep_frames=True), sampled(
            restored(kind.network(seed), agent), seed=0)
        obs, _ = envs.reset(seed=FRESH_SEED)
        frames, points = [], 0.0
        for _ in range(ATARI_STEPS):
            obs, rewards, *_ = envs.step(policy(obs))
            points += float(rewards.sum())
            frames.append(envs.take_frames()[0, 0])
        envs.close()
        game = kind.game.name.replace("_", " ").title()
        return filmed(when, in_colour(np.stack(frames), kind.game), kind.fps,
                      f"{ATARI_STEPS / kind.fps:.0f} seconds of {game}: {points:+.0f} points.")

    return film


def restored(network: nn.Module, agent: dict) -> nn.Module:
    """A network with the weights that a run has kept. Raises RuntimeError when it has another shape."""
    network.load_state_dict(agent)
    return network


def answers(seed: int, before: dict, after: dict) -> tuple[tuple[str, str, str], ...]:
    """(prompt, answer before, answer after) for prompts of the course that nobody labels. Loads the 135M model."""
    from course_lib.lm.answer_task import fresh_policy, write_answers
    from course_lib.lm.prompts import HELD_OUT_PROMPTS

    policy, prompts, written = fresh_policy(seed), list(HELD_OUT_PROMPTS[:SAMPLES]), []
    for adapter in (before, after):
        policy.load_state_dict(adapter)
        written.append(write_answers(policy, prompts, ANSWER_TOKENS, torch.Generator().manual_seed(0)))
    return tuple(zip(prompts, *written, strict=True))
