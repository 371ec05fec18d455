"""The small trained agents that lessons 01 and 02 open with, so that nobody has to train before watching one play.

Made by this course's own code and rebuilt by `python benchmarks/rl_slip.py --ship` (landers) and
`python benchmarks/rl_lambda.py --ship` (CartPole agents in the middle of learning).
"""

from pathlib import Path

from course_lib.paths import root
from course_lib.rl.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from course_lib.rl.networks import ActorCritic

LANDER = "lander.pt"                                    # trained on LunarLander's own reward
LANDER_ONLY_PROGRESS = "lander_only_progress.pt"        # trained with only_progress_counts
LANDER_SCORE_EVERY_STEP = "lander_every_step.pt"        # trained with score_paid_every_step
LANDER_LEGS_EVERY_STEP = "lander_legs_every_step.pt"    # the first, trained on with legs_paid_every_step

CARTPOLE_LEARNING = "cartpole_learning.pt"              # five CartPole agents after 20,000 steps, seeds 0 to 4


def folder() -> Path:
    """Where shipped checkpoints lie: `assets/checkpoints` of the checkout."""
    return root() / "assets" / "checkpoints"


def save_agent(name: str, network: ActorCritic, facts: dict) -> None:
    """Write an agent to ship, and how it was made."""
    save_checkpoint(folder() / name, {"network": network.state_dict(), "facts": facts})


def load_agent(name: str) -> tuple[ActorCritic, dict]:
    """(agent, how it was made) of a shipped lander. Raises CheckpointError when the file cannot be used."""
    state, network = load_checkpoint(folder() / name), ActorCritic(8, 4)
    try:
        network.load_state_dict(state["network"])
        return network.eval(), state["facts"]
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"{name} holds another network than this course's ({type(error).__name__}). Get the file "
                              f"back with `git checkout assets/checkpoints/{name}`, or rebuild it: see "
                              "course_lib/rl/shipped.py.") from error


def save_learning_agents(networks: list[ActorCritic], facts: dict) -> None:
    """Write the CartPole agents that lesson 02 looks at, in the order of their seeds, and how they were made."""
    save_checkpoint(folder() / CARTPOLE_LEARNING, {"networks": [n.state_dict() for n in networks], "facts": facts})


def learning_agents() -> list[ActorCritic]:
    """Five CartPole agents in the middle of learning. Raises CheckpointError when the file cannot be used.

    Shipped, because what lesson 02 shows on them depends on the agent, and training is not the same on every processor.
    """
    found = []
    for state in load_checkpoint(folder() / CARTPOLE_LEARNING)["networks"]:
        found.append(ActorCritic(4, 2))
        found[-1].load_state_dict(state)
    return [network.eval() for network in found]
