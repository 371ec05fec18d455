"""The small trained hoppers that lesson 05 opens with, each with the reward model it learned from, if it had one.

They are rebuilt by `python benchmarks/backflip.py JOB --seeds 0 --ship`, and hold numbers and words only
(`torch.load(weights_only=True)`). Their films are stored as well, for a machine on which MuJoCo does not load.
"""

import base64
import html
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from course_lib.hopper.task import HopperTask
from course_lib.paths import root
from course_lib.preferences.reward_model import RewardConfig, StateRewardEnsemble
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

PITCH_RATE = "hopper_pitch_rate"            # trained on a written reward, the pitch rate: lesson 05, section 5.3
FROM_LABELS = {"backflip": "hopper_backflip", "front flip": "hopper_front_flip", "hop": "hopper_hop",
               "bend": "hopper_bend"}       # behaviour -> name


@dataclass(frozen=True)
class Shipped:
    """A trained hopper, the reward model it learned from (None: a written reward), and how it was made."""

    agent: nn.Module
    reward_model: StateRewardEnsemble | None
    facts: dict                             # job, seed, labels, turns, height, command


def checkpoint(name: str) -> Path:
    """Where a shipped hopper lies."""
    return root() / "assets" / "checkpoints" / f"{name}.pt"


def stored_film(name: str) -> Path:
    """Where its film lies, an animated WebP that needs no MuJoCo."""
    return root() / "assets" / "pictures" / f"{name}.webp"


def show_stored_film(name: str, alt: str, width: int = 240) -> None:
    """Display a stored film in a notebook. alt: what happens in it, in a sentence."""
    from IPython.display import display

    content = base64.b64encode(stored_film(name).read_bytes()).decode()
    display({"text/html": f'<img alt="{html.escape(alt, quote=True)}" width="{width}" style="max-width:100%" '
             f'src="data:image/webp;base64,{content}">', "text/plain": alt}, raw=True)


def save_shipped(name: str, agent: nn.Module, reward_model: StateRewardEnsemble | None, reward: RewardConfig | None,
                 facts: dict) -> None:
    """Write a hopper to ship."""
    save_checkpoint(checkpoint(name), {
        "agent": agent.state_dict(), "facts": facts, "members": reward.members if reward else 0,
        "hidden": reward.hidden if reward else 0, "reward_model": reward_model.state_dict() if reward_model else {}})


def load_shipped(name: str) -> Shipped:
    """Read a shipped hopper. Raises CheckpointError when the file cannot be used."""
    state, task = load_checkpoint(checkpoint(name)), HopperTask()
    try:
        agent, model = task.network(0), None
        agent.load_state_dict(state["agent"])
        if state["members"]:
            config = task.config()
            reward = RewardConfig(members=state["members"], hidden=state["hidden"], uncertainty_penalty=0.0)
            model = task.reward_model(type(config)(**{**vars(config), "reward": reward}))
            model.load_state_dict(state["reward_model"])
        return Shipped(agent.eval(), model, state["facts"])
    except (KeyError, RuntimeError, TypeError) as error:
        raise CheckpointError(f"{name}.pt holds another network than this course's ({type(error).__name__}). Get the "
                              f"file back with `git checkout assets/checkpoints/{name}.pt`, or rebuild it: see "
                              "course_lib/hopper/shipped.py.") from error
