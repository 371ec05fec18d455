"""Four behaviours, each as marks for a clip: what a synthetic labeler likes that sees the clip and nothing else.

    labeler = hopper_labeler("backflip")
    labeler = hopper_labeler("hop", epsilon=0.1)            # one answer in ten is turned round

Marks look at what a person sees: how far the torso turns, how high it is, whether it lies on the floor, whether the
foot is in the air, how far the hopper moves. Nothing of rewards, of forces, or of what came before and after the clip.
They are counted in turns of the torso, or in metres, and clips that are closer than `EQUAL_BELOW` are equally good.
Lesson 05.
"""

import math
from collections.abc import Callable

import numpy as np

from course_lib.hopper.drawing import skeleton
from course_lib.hopper.environment import COS_PITCH, FORWARD, HEIGHT, SIN_PITCH, STANDING, TIME_STEP, VELOCITY_SCALE
from course_lib.preferences.segments import Segment
from course_lib.preferences.teachers import Teacher

EQUAL_BELOW = 0.05
FLOOR = 0.25                            # m: a torso with an end below this touches the floor, or nearly
AIRBORNE = 0.12                         # m: the foot is in the air when heel and toe are above this


def backward_turns(obs: np.ndarray) -> np.ndarray:
    """How often the torso goes round backwards from the first state to the last: (..., L, 12) -> (...), turns.

    Turning forwards counts below 0.
    """
    return _turned(obs).sum(axis=-1)


def _turned(obs: np.ndarray) -> np.ndarray:
    pitch = np.unwrap(np.arctan2(obs[..., SIN_PITCH], obs[..., COS_PITCH]), axis=-1)
    return -np.diff(pitch, axis=-1) / (2 * math.pi)


def torso_height(obs: np.ndarray) -> np.ndarray:
    """Height of the torso's centre, m: (..., 12) -> (...)."""
    return obs[..., HEIGHT] + STANDING


def on_the_floor(obs: np.ndarray) -> np.ndarray:
    """Whether an end of the torso is lower than FLOOR: (..., 12) -> (...) bool."""
    return skeleton(obs)[..., 0, :, 1].min(axis=-1) < FLOOR


def in_the_air(obs: np.ndarray) -> np.ndarray:
    """Whether heel and toe are above AIRBORNE: (..., 12) -> (...) bool."""
    return skeleton(obs)[..., 3, :, 1].min(axis=-1) > AIRBORNE


def _flip(turned: np.ndarray, obs: np.ndarray) -> float:
    """Marks for turning: whole in the air, a quarter on the floor; less for lying there, more for a high torso.

    turned: (L - 1,) how far the torso turned the wanted way from each state to the next, turns. obs: (L, 12).
    """
    floor = on_the_floor(obs)                                                                   # (L,)
    height = (torso_height(obs) - 0.7).clip(-0.5, 0.5)                                          # (L,)
    return float((turned * np.where(floor[1:], 0.25, 1.0)).sum() + 0.3 * height.mean() - 0.15 * floor.mean())


def backflip(obs: np.ndarray) -> float:
    """Turning backwards, best in the air; then a torso that is high and off the floor. (L, 12) -> turns, about."""
    return _flip(_turned(obs), obs)


def front_flip(obs: np.ndarray) -> float:
    """The same forwards. (L, 12) -> turns, about."""
    return _flip(-_turned(obs), obs)


def hop(obs: np.ndarray) -> float:
    """On the spot, upright, the foot in the air for long. (L, 12) -> a number from about -2 to 1."""
    way = abs(float(obs[:, FORWARD].sum())) / VELOCITY_SCALE * TIME_STEP                      # m
    upright = float(obs[:, COS_PITCH].mean())
    return float((in_the_air(obs) & ~on_the_floor(obs)).mean()) + 0.5 * upright - 0.3 * way


def bend(obs: np.ndarray) -> float:
    """Stand still, the torso bent forwards by 60 degrees and off the floor. (L, 12) -> a number from about -3 to 0."""
    pitch = np.arctan2(obs[:, SIN_PITCH], obs[:, COS_PITCH])
    speed = float(np.abs(obs[:, FORWARD:]).mean()) / VELOCITY_SCALE
    return -float(np.abs(pitch - math.pi / 3).mean()) - 0.1 * speed - float(on_the_floor(obs).mean())


BEHAVIOURS: dict[str, Callable[[np.ndarray], float]] = {
    "backflip": backflip, "front flip": front_flip, "hop": hop, "bend": bend}


def hopper_labeler(behaviour: str = "backflip", seed: int = 0, **imperfections: float) -> Teacher:
    """A synthetic labeler that likes one of BEHAVIOURS. imperfections: `Teacher`'s settings, say epsilon=0.1."""
    marks = BEHAVIOURS[behaviour]

    def of_a_clip(clip: Segment) -> float:
        return marks(np.asarray(clip.obs, dtype=np.float64))

    return Teacher(of_a_clip, **{"delta_equal": EQUAL_BELOW, "seed": seed, **imperfections})
