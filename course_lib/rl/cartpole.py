"""CartPole, many at once: the dynamics as array arithmetic, a vector environment, and a drawing of a state.

A state is four numbers: position x (m), velocity (m/s), pole angle (radians, 0 is upright), angular velocity (rad/s).
The dynamics are those of Gymnasium's `CartPole-v1` (tested step for step), from A. G. Barto, R. S. Sutton and
C. W. Anderson (1983), "Neuronlike adaptive elements that can solve difficult learning control problems".
Introduced in lesson 01; the drawing serves the clips of lesson 04.
"""

from functools import lru_cache

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from PIL import Image, ImageDraw

from course_lib.show import palette

GRAVITY = 9.8               # m/s^2
CART_MASS = 1.0             # kg
POLE_MASS = 0.1             # kg
HALF_LENGTH = 0.5           # m, from the hinge to the pole's centre of mass
PUSH = 10.0                 # N, to the left (action 0) or to the right (action 1)
TIME_STEP = 0.02            # s between two states
X_LIMIT = 2.4               # m: beyond it the cart has left the track
ANGLE_LIMIT = 12 * 2 * np.pi / 360      # radians: beyond it the pole has fallen

TOTAL_MASS = CART_MASS + POLE_MASS
POLE_MOMENT = POLE_MASS * HALF_LENGTH


def step_states(states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """One step of physics for every row. states: (N, 4) float64, actions: (N,) of 0 or 1; returns (N, 4)."""
    x, velocity, angle, angular_velocity = states.T                                 # each (N,)
    force = np.where(actions == 1, PUSH, -PUSH)
    cos, sin = np.cos(angle), np.sin(angle)
    pushed = (force + POLE_MOMENT * np.square(angular_velocity) * sin) / TOTAL_MASS
    angular_acceleration = (GRAVITY * sin - cos * pushed) / (
        HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * np.square(cos) / TOTAL_MASS))
    acceleration = pushed - POLE_MOMENT * angular_acceleration * cos / TOTAL_MASS
    return np.stack([
        x + TIME_STEP * velocity,
        velocity + TIME_STEP * acceleration,
        angle + TIME_STEP * angular_velocity,
        angular_velocity + TIME_STEP * angular_acceleration,
    ], axis=1)


def fallen(states: np.ndarray) -> np.ndarray:
    """Whether the pole is down or the cart off the track. states: (..., 4); returns (...) bool."""
    return (np.abs(states[..., 0]) > X_LIMIT) | (np.abs(states[..., 2]) > ANGLE_LIMIT)


class VectorCartPole(VectorEnv):
    """`num_envs` CartPoles stepped together; Gymnasium's `VectorEnv` interface, same-step autoreset.

    Reward 1 a step; `terminated` when `fallen`, `truncated` after `max_episode_steps` steps. Where an episode ends, the
    observation returned is already the first of the next one, and `info["final_obs"]` holds the true last one.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_fps": 50}

    def __init__(self, num_envs: int, max_episode_steps: int = 500):
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        high = np.array([2 * X_LIMIT, np.inf, 2 * ANGLE_LIMIT, np.inf], dtype=np.float32)
        self.single_observation_space = gym.spaces.Box(-high, high, dtype=np.float32)
        self.single_action_space = gym.spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.states = np.zeros((num_envs, 4))
        self.ages = np.zeros(num_envs, dtype=np.int64)      # steps since each episode began

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """Start every episode anew; returns observations (N, 4) float32 and an empty info."""
        super().reset(seed=seed)
        self.states = self._first_states(self.num_envs)
        self.ages[:] = 0
        return self.states.astype(np.float32), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """actions: (N,); returns observations (N, 4), rewards (N,), terminated (N,), truncated (N,), info."""
        self.states = step_states(self.states, np.asarray(actions))
        self.ages += 1
        terminated, truncated = fallen(self.states), self.ages >= self.max_episode_steps
        rewards, info = np.ones(self.num_envs), {}
        ended = terminated | truncated
        if ended.any():
            info = {"final_obs": self.states.astype(np.float32), "_final_obs": ended}
            self.states[ended] = self._first_states(ended.sum())
            self.ages[ended] = 0
        return self.states.astype(np.float32), rewards, terminated, truncated, info

    def state_dict(self) -> dict:
        """All that decides the future of these environments, for a checkpoint."""
        return {"states": self.states.tolist(), "ages": self.ages.tolist(),
                "random": self.np_random.bit_generator.state}

    def load_state_dict(self, state: dict) -> np.ndarray:
        """Go on from `state_dict()`; returns the current observations (N, 4)."""
        self.states, self.ages = np.array(state["states"]), np.array(state["ages"])
        self.np_random.bit_generator.state = state["random"]
        return self.states.astype(np.float32)

    def _first_states(self, count: int) -> np.ndarray:
        return self.np_random.uniform(-0.05, 0.05, (count, 4))


SMOOTH = 3                  # pictures are drawn three times as large, then shrunk: smooth edges


def render(state: np.ndarray, width: int = 240, height: int = 120) -> np.ndarray:
    """A picture of one state (4,) as (height, width, 3) uint8; no window is opened.

    The dashed line is the centre, the two posts are the ends of the track. Once the pole has fallen or the cart has
    left, the pole turns vermilion and a cross marks its tip, because 12 degrees are hard to judge by eye.
    """
    large, small = _empty_track(width, height)
    image, picture = large.copy(), small.copy()
    draw, unit, metre, ground = ImageDraw.Draw(image), *_measures(width, height)

    x, angle = float(np.clip(state[0], -2.8, 2.8)), float(state[2])
    cart_x, hinge_y = image.width / 2 + x * metre, ground - 16 * unit
    draw.rounded_rectangle([cart_x - 20 * unit, hinge_y, cart_x + 20 * unit, ground - 3 * unit], 3 * unit, palette.BLUE)
    for wheel in (-11, 11):
        draw.ellipse([cart_x + (wheel - 4) * unit, ground - 7 * unit, cart_x + (wheel + 4) * unit, ground + unit],
                     fill="#303030")
    length = 0.56 * image.height
    tip = (cart_x + length * np.sin(angle), hinge_y - length * np.cos(angle))
    down = bool(fallen(np.asarray(state)))
    _line(draw, [(cart_x, hinge_y), tip], palette.VERMILION if down else palette.ORANGE, 6 * unit)
    if down:
        for rise in (-6 * unit, 6 * unit):
            _line(draw, [(tip[0] - 6 * unit, tip[1] - rise), (tip[0] + 6 * unit, tip[1] + rise)], "black", 2 * unit)
    draw.ellipse([cart_x - 3 * unit, hinge_y - 3 * unit, cart_x + 3 * unit, hinge_y + 3 * unit], fill="#303030")

    left = max(0, int(min(cart_x - 21 * unit, tip[0] - 9 * unit)) // SMOOTH - 2)     # only what is new is shrunk
    right = min(width, int(max(cart_x + 21 * unit, tip[0] + 9 * unit)) // SMOOTH + 3)
    picture.paste(image.reduce(SMOOTH, (left * SMOOTH, 0, right * SMOOTH, image.height)), (left, 0))
    return np.asarray(picture)


def _measures(width: int, height: int) -> tuple[float, float, float]:
    """(a 120th of the height, a metre, the ground's distance from the top) in pixels of the large picture.

    The picture shows x from -2.8 to 2.8 m.
    """
    return height * SMOOTH / 120, width * SMOOTH / 5.6, 0.80 * height * SMOOTH


def _line(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], colour: str, thickness: float) -> None:
    draw.line(points, fill=colour, width=max(1, round(thickness)))


@lru_cache(maxsize=8)
def _empty_track(width: int, height: int) -> tuple[Image.Image, Image.Image]:
    """The track with nothing on it, large and shrunk."""
    image = Image.new("RGB", (width * SMOOTH, height * SMOOTH), "white")
    draw, unit, metre, ground = ImageDraw.Draw(image), *_measures(width, height)
    centre = image.width / 2
    _line(draw, [(0, ground), (image.width, ground)], palette.GREY, 1.5 * unit)
    for top in np.arange(0.1, 0.78, 0.1) * image.height:
        _line(draw, [(centre, top), (centre, top + 5 * unit)], palette.GREY, 1.5 * unit)
    for side in (-1, 1):
        post = centre + side * X_LIMIT * metre
        _line(draw, [(post, ground - 10 * unit), (post, ground)], palette.VERMILION, 3 * unit)
    return image, image.reduce(SMOOTH)
