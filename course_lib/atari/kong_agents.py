"""The three small agents of Donkey Kong that lesson 06 looks at: one from the score, two from preferences for climbing.

None gets to the top, and the lesson shows where they stop. They are rebuilt by

    python benchmarks/donkey_kong.py score --ship
    python benchmarks/donkey_kong.py preferences --ship
    python benchmarks/donkey_kong.py ladders --ship
"""

from torch import nn

from course_lib.atari.shipped import folder
from course_lib.atari.tracks import TRACKS
from course_lib.rl.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

KONG_TRACK = TRACKS["donkey kong objects"]


def save_kong(job: str, agent: nn.Module, facts: dict) -> None:
    """Write the agent of a job, "score", "preferences" or "ladders", with the facts of its run; about 12 kB."""
    weights = {name: weight.half() for name, weight in agent.state_dict().items()}
    save_checkpoint(folder() / f"donkey_kong_{job}.pt", {"agent": weights, "facts": facts})


def load_kong(job: str) -> tuple[nn.Module, dict]:
    """(agent, facts of its run). Raises CheckpointError when the file cannot be used."""
    name = f"donkey_kong_{job}.pt"
    state = load_checkpoint(folder() / name)
    agent = KONG_TRACK.agent()
    try:
        agent.load_state_dict(state["agent"])
        return agent.eval(), state["facts"]
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{name} holds another network than this course's ({type(error).__name__}). Get the file "
                              f"back with `git checkout assets/checkpoints/{name}`, or rebuild it with `python "
                              f"benchmarks/donkey_kong.py {job} --ship`.") from error
