"""The games of lessons 06 and 07: which buttons they need, where on the screen the play is, and their colours.

A frame is what the emulator draws, 210 rows by 160 columns, in shades of grey. Rows above and below `court` hold the
score; they are cut off before anybody, policy, reward model or labeller, sees a frame. Taught in lesson 06.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ale_py.vector_env import AtariVectorEnv

from course_lib.errors import CourseError


class UnknownGame(CourseError):
    """A game that the course has no description of; the message lists those it has."""


@dataclass(frozen=True)
class Game:
    """What the course knows about one game."""

    name: str                               # the emulator's name of the ROM
    actions: tuple[int, ...]                # places, among the emulator's buttons for this game, of those we use
    action_names: tuple[str, ...]           # what they do in this game
    court: slice                            # rows of the screen with the play; the score lies outside
    floor: int                              # shade of the empty court
    colours: dict[int, tuple[int, int, int]]    # shade -> red, green, blue, for clips; others stay grey
    scores_often: bool                      # whether a random player meets rewards at all

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the court in pixels."""
        return self.court.stop - self.court.start, 160


PONG = Game(
    name="pong", actions=(0, 2, 3), action_names=("stay", "up", "down"), court=slice(34, 194), floor=87,
    colours={87: (144, 72, 17), 236: (236, 236, 236), 147: (92, 186, 92), 148: (213, 130, 74)}, scores_often=True)

DONKEY_KONG = Game(
    name="donkey_kong", actions=(0, 1, 2, 3, 4, 5, 11, 12), action_names=(
        "stay", "jump", "climb", "right", "left", "down", "jump right", "jump left"),
    court=slice(34, 194), floor=0, colours={}, scores_often=False)

GAMES = {game.name: game for game in (PONG, DONKEY_KONG)}


def find_game(name: str | Game) -> Game:
    """The description of a game. Raises UnknownGame for a name that the course does not know."""
    if isinstance(name, Game):
        return name
    key = name.lower().removeprefix("ale/").split("-v")[0].replace(" ", "_")
    if key not in GAMES:
        raise UnknownGame(
            f"The course has no game {name!r}; it has {' and '.join(GAMES)}. The emulator knows more than 100: to add "
            "one, describe its buttons and its court in course_lib/atari/games.py.")
    return GAMES[key]


def emulators(game: Game, num_envs: int, **changes: Any) -> AtariVectorEnv:
    """`num_envs` games in one process, stepped by compiled code: whole grey frames, four emulated frames a step.

    A step returns frames (N, 1, 210, 160) uint8 and starts an ended game anew at once (same-step autoreset). Nothing
    is sticky, pooled, stacked, shrunk or clipped here: what the agent sees is made in encoders.py. One thread: two save
    a seventh of the clock and no CPU-seconds (benchmarks/pong_speed.py). `changes` go to ale-py's `AtariVectorEnv`.
    """
    settings = {
        "num_threads": 1, "img_height": 210, "img_width": 160, "stack_num": 1, "frameskip": 4, "maxpool": False,
        "noop_max": 30, "use_fire_reset": False, "reward_clipping": False, "repeat_action_probability": 0.0,
        "autoreset_mode": "SameStep"}
    return AtariVectorEnv(game.name, num_envs, **{**settings, **changes})


def in_colour(frames: np.ndarray, game: Game) -> np.ndarray:
    """Grey court frames (..., H, W) uint8 as a person is shown them, (..., H, W, 3) uint8."""
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)           # (256, 3)
    for shade, colour in game.colours.items():
        table[shade] = colour
    return table[frames]
