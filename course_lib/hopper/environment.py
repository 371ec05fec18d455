"""MuJoCo's hopper, many at once, without a goal: a vector environment whose reward is always 0. Lesson 05.

A body of four capsules in a vertical plane: torso, thigh, leg, foot; motors at hip, knee and ankle. The body is
Gymnasium's (`hopper.xml`), after T. Erez, Y. Tassa and E. Todorov (2011), "Infinite horizon model predictive control
for nonlinear periodic tasks". Departures from `Hopper-v5`:
- no reward and no ends: an episode is cut off by the clock alone, after 3 seconds, whatever the hopper does;
- Euler's method in place of Runge-Kutta's, a quarter of the work; 5 steps of 4 ms between two actions, not 4 of 2;
- observations hold the sine and cosine of the pitch, which may go round many times, and scaled velocities;
- episodes of different hoppers begin at different times, so that a rollout holds all phases of an episode.
"""

import os
from pathlib import Path

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from course_lib.errors import CourseError

BODY = Path(gym.__file__).parent / "envs" / "mujoco" / "assets" / "hopper.xml"
TIME_STEP = 0.02                        # s between two actions
SUBSTEPS = 5                            # steps of physics in it
EPISODE_STEPS = 150                     # 3 s; short episodes start often from standing, and lie on the floor less

# The columns of an observation.
HEIGHT = 0                              # of the torso's centre, m, less STANDING
SIN_PITCH, COS_PITCH = 1, 2             # of the torso; 0 is upright, a forward lean is positive
HIP, KNEE, ANKLE = 3, 4, 5              # angles, radians
FORWARD, UP, PITCH_RATE = 6, 7, 8       # velocities, times VELOCITY_SCALE: m/s, m/s, radians/s
HIP_RATE, KNEE_RATE, ANKLE_RATE = 9, 10, 11
OBSERVATION_SIZE = 12

STANDING = 1.25                         # m, height of the torso's centre when the hopper stands straight
VELOCITY_LIMIT = 10.0                   # faster is not told apart
VELOCITY_SCALE = 0.2


def import_mujoco():
    """The module `mujoco`. Raises CourseError with what to do when it is missing or does not load."""
    chosen = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disable"             # while it loads: pictures are drawn without OpenGL
    try:
        import mujoco
    except Exception as error:          # a broken wheel raises ImportError, OSError and others
        raise CourseError(f"MuJoCo, which moves the hopper, does not load ({type(error).__name__}: {error}). Run "
                          "`make lab` once more, or `pip install -r requirements.lock`. Until then the lesson's stored "
                          "films and figures can be looked at; nothing else of the course needs MuJoCo.") from error
    finally:
        if chosen is None:
            del os.environ["MUJOCO_GL"]
        else:
            os.environ["MUJOCO_GL"] = chosen
    return mujoco


class VectorHopper(VectorEnv):
    """`num_envs` hoppers stepped together; Gymnasium's `VectorEnv` interface, same-step autoreset.

    Actions: (N, 3) torques at hip, knee and ankle, cut to -1 .. 1. Observations: (N, 12) float32, see the columns.
    The reward is 0: nobody has written one. staggered: start the clocks at random times. Raises CourseError when
    MuJoCo does not load.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_fps": 50}

    def __init__(self, num_envs: int, max_episode_steps: int = EPISODE_STEPS, staggered: bool = True):
        self.mujoco = import_mujoco()
        self.num_envs, self.max_episode_steps, self.staggered = num_envs, max_episode_steps, staggered
        self.model = self.mujoco.MjModel.from_xml_path(str(BODY))
        self.model.opt.timestep = TIME_STEP / SUBSTEPS
        self.model.opt.integrator = self.mujoco.mjtIntegrator.mjINT_EULER
        self.hoppers = [self.mujoco.MjData(self.model) for _ in range(num_envs)]
        self.ages = np.zeros(num_envs, dtype=np.int64)          # steps since each episode began
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32)
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """Start every episode anew, each hopper standing; returns observations (N, 12) and an empty info."""
        super().reset(seed=seed)
        for hopper in self.hoppers:
            self._stand(hopper)
        self.ages[:] = self.np_random.integers(0, self.max_episode_steps, self.num_envs) if self.staggered else 0
        return self.observations(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """actions: (N, 3); returns observations (N, 12), rewards of 0 (N,), terminated (N,), truncated (N,), info."""
        actions = np.clip(actions, -1.0, 1.0)
        for hopper, action in zip(self.hoppers, actions, strict=True):
            hopper.ctrl[:] = action
            self.mujoco.mj_step(self.model, hopper, SUBSTEPS)
        self.ages += 1
        truncated, info = self.ages >= self.max_episode_steps, {}
        obs = self.observations()
        if truncated.any():
            info = {"final_obs": obs, "_final_obs": truncated}
            for n in np.flatnonzero(truncated):
                self._stand(self.hoppers[n])
            self.ages[truncated] = 0
            obs = self.observations()
        return obs, np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=bool), truncated, info

    def observations(self) -> np.ndarray:
        """What the hoppers see now, (N, 12) float32."""
        places = np.stack([hopper.qpos for hopper in self.hoppers])         # (N, 6): x, height, pitch, three joints
        velocities = np.stack([hopper.qvel for hopper in self.hoppers])     # (N, 6), the same order
        pitch = places[:, 2:3]
        return np.concatenate([places[:, 1:2] - STANDING, np.sin(pitch), np.cos(pitch), places[:, 3:],
                               velocities.clip(-VELOCITY_LIMIT, VELOCITY_LIMIT) * VELOCITY_SCALE],
                              axis=1).astype(np.float32)

    def state_dict(self) -> dict:
        """All that decides the future of these hoppers, for a checkpoint."""
        return {"physics": [self._physics(hopper).tolist() for hopper in self.hoppers], "ages": self.ages.tolist(),
                "random": self.np_random.bit_generator.state}

    def load_state_dict(self, state: dict) -> np.ndarray:
        """Go on from `state_dict()`; returns the current observations (N, 12)."""
        for hopper, physics in zip(self.hoppers, state["physics"], strict=True):
            self.mujoco.mj_setState(self.model, hopper, np.array(physics), self._kept)
        self.ages = np.array(state["ages"])
        self.np_random.bit_generator.state = state["random"]
        return self.observations()

    @property
    def _kept(self) -> int:
        return int(self.mujoco.mjtState.mjSTATE_INTEGRATION)        # with the solver's warm start: exact to the bit

    def _physics(self, hopper: object) -> np.ndarray:
        physics = np.zeros(self.mujoco.mj_stateSize(self.model, self._kept))
        self.mujoco.mj_getState(self.model, hopper, physics, self._kept)
        return physics

    def _stand(self, hopper: object) -> None:
        self.mujoco.mj_resetData(self.model, hopper)
        hopper.qpos[:] += self.np_random.uniform(-0.005, 0.005, 6)
        hopper.qvel[:] += self.np_random.uniform(-0.005, 0.005, 6)
