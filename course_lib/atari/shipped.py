"""The small trained agents that lessons 06 and 07 open with, and the stored results of the Atari benchmarks.

The agents were made by this course's own code on the machine named in benchmarks/results: for Pong from the true score
(lesson 06) and from synthetic labels (lesson 07), for Donkey Kong one from the score and two from preferences for
climbing (lesson 07; none gets to the top, and the lesson shows where they stop). They are rebuilt by

    python benchmarks/pong.py pixels-true --seeds 0 --ship
    python benchmarks/pong.py pixels-400 --seeds 0 --ship
    python benchmarks/donkey_kong.py score --ship
    python benchmarks/donkey_kong.py preferences --ship
    python benchmarks/donkey_kong.py ladders --ship

Files hold only numbers and words (`torch.load(weights_only=True)`), weights in half precision. `benchmark_results`
reads what the benchmarks recorded, for the tables and figures of the lessons: a dict a line.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from course_lib.atari.networks import FrameAgent
from course_lib.atari.reward_ensemble import AtariRewardEnsemble, FitConfig
from course_lib.atari.reward_models import RowPooledReward
from course_lib.atari.tasks import TASKS
from course_lib.errors import CourseError
from course_lib.paths import root
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

FROM_SCORE, FROM_PREFERENCES = "pong_from_score.pt", "pong_from_preferences.pt"


@dataclass(frozen=True)
class Shipped:
    """A trained agent, the reward model it learned from (None: the true score), and how it was made."""

    agent: FrameAgent
    reward_model: AtariRewardEnsemble | None
    facts: dict                             # seed, steps, labels, label_source, true return of fresh games, command


def folder() -> Path:
    """Where the shipped checkpoints lie: `assets/checkpoints` of the checkout."""
    return root() / "assets" / "checkpoints"


def save_shipped(name: str, agent: nn.Module, reward_model: AtariRewardEnsemble | None, facts: dict) -> None:
    """Write a checkpoint to ship, in one step, under 1 MB."""
    save_checkpoint(folder() / name, {
        "agent": _halved(agent), "facts": facts, "members": len(reward_model.members) if reward_model else 0,
        "reward_model": _halved(reward_model) if reward_model else {}})


def load_shipped(name: str) -> Shipped:
    """Read a shipped checkpoint: `FROM_SCORE` or `FROM_PREFERENCES`. Raises CheckpointError when it cannot be used."""
    state = load_checkpoint(folder() / name)
    try:
        agent = FrameAgent()
        agent.load_state_dict(state["agent"])
        reward_model = AtariRewardEnsemble(RowPooledReward, FitConfig(state["members"])) if state["members"] else None
        if reward_model:
            reward_model.load_state_dict(state["reward_model"])
        return Shipped(agent.eval(), reward_model, state["facts"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{name} holds another network than this course's ({type(error).__name__}). Get the file "
                              f"back with `git checkout assets/checkpoints/{name}`, or rebuild it: see "
                              "course_lib/atari/shipped.py.") from error


def _halved(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.half() for name, weight in network.state_dict().items()}


KONG_TASK = TASKS["donkey kong objects"]


def save_kong(job: str, agent: nn.Module, facts: dict) -> None:
    """Write the agent of a job, "score", "preferences" or "ladders", with the facts of its run; about 12 kB."""
    weights = {name: weight.half() for name, weight in agent.state_dict().items()}
    save_checkpoint(folder() / f"donkey_kong_{job}.pt", {"agent": weights, "facts": facts})


def load_kong(job: str) -> tuple[nn.Module, dict]:
    """(agent, facts of its run). Raises CheckpointError when the file cannot be used."""
    name = f"donkey_kong_{job}.pt"
    state = load_checkpoint(folder() / name)
    agent = KONG_TASK.agent()
    try:
        agent.load_state_dict(state["agent"])
        return agent.eval(), state["facts"]
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{name} holds another network than this course's ({type(error).__name__}). Get the file "
                              f"back with `git checkout assets/checkpoints/{name}`, or rebuild it with `python "
                              f"benchmarks/donkey_kong.py {job} --ship`.") from error


class NoResults(CourseError):
    """A benchmark has no results in this checkout; the message says which command measures it."""


def benchmark_results(job: str, script: str = "pong") -> list[dict]:
    """The lines of benchmarks/results/pong_<job>.jsonl, by seed where they have one. Raises NoResults.

    script: the program in benchmarks/ that writes them, for the message.
    """
    path = root() / "benchmarks" / "results" / f"pong_{job}.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except FileNotFoundError:
        raise NoResults(f"benchmarks/results/{path.name} is not there: get it back with `git checkout`, or measure "
                          f"it with `python benchmarks/{script}.py`.") from None
    return sorted(lines, key=lambda line: line.get("seed", 0))
