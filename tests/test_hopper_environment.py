"""The hopper's physics, its observations and its pictures."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from course_lib.errors import CourseError
from course_lib.hopper.drawing import draw, skeleton, way_gone
from course_lib.hopper.environment import (
    COS_PITCH,
    FORWARD,
    HEIGHT,
    PITCH_RATE,
    SIN_PITCH,
    STANDING,
    TIME_STEP,
    VELOCITY_SCALE,
    VectorHopper,
)


def acted(envs: VectorHopper, steps: int, seed: int = 0) -> list[tuple]:
    rng = np.random.default_rng(seed)
    return [envs.step(rng.uniform(-1, 1, (envs.num_envs, 3))) for _ in range(steps)]


def test_stands_at_first_and_falls_when_left_alone():
    envs = VectorHopper(3, staggered=False)
    obs, info = envs.reset(seed=0)
    assert obs.shape == (3, 12) and obs.dtype == np.float32 and info == {}
    assert np.abs(obs[:, HEIGHT]).max() < 0.01 and obs[:, COS_PITCH].min() > 0.9999
    for _ in range(140):
        obs, rewards, terminated, _, _ = envs.step(np.zeros((3, 3)))
        assert not rewards.any() and not terminated.any()       # nobody wrote a reward; no end but the clock
    assert (obs[:, HEIGHT] + STANDING).max() < 1.0


def test_the_same_seed_gives_the_same_hoppers_and_another_one_others():
    def states(seed: int) -> np.ndarray:
        envs = VectorHopper(2)
        envs.reset(seed=seed)
        return np.stack([step[0] for step in acted(envs, 20)])

    assert np.array_equal(states(0), states(0)) and not np.array_equal(states(0), states(1))


def test_an_episode_is_cut_off_by_the_clock_and_its_true_last_state_is_kept():
    envs = VectorHopper(2, max_episode_steps=10, staggered=False)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    envs.reset(seed=0)
    steps = acted(envs, 10)
    obs, _, terminated, truncated, info = steps[-1]
    assert truncated.all() and not terminated.any() and not np.stack([s[3] for s in steps[:-1]]).any()
    assert info["_final_obs"].all() and np.abs(info["final_obs"] - steps[-2][0]).max() < 1.0
    assert np.abs(obs[:, HEIGHT]).max() < 0.01 < np.abs(info["final_obs"][:, FORWARD:]).max()       # a new one stands


def test_clocks_are_staggered_so_that_a_rollout_holds_all_phases():
    envs = VectorHopper(16)
    envs.reset(seed=0)
    assert len(set(envs.ages.tolist())) > 8 and envs.ages.max() < envs.max_episode_steps


def test_a_copy_goes_on_to_the_last_digit():
    envs, copy = VectorHopper(3, max_episode_steps=30), VectorHopper(3, max_episode_steps=30)
    envs.reset(seed=0)
    acted(envs, 25)
    state = json.loads(json.dumps(envs.state_dict()))
    copy.reset(seed=9)
    assert np.array_equal(copy.load_state_dict(state), envs.observations())
    for a, b in zip(acted(envs, 40, seed=1), acted(copy, 40, seed=1), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a[:4], b[:4], strict=True))


def test_observations_say_what_mujoco_says():
    envs = VectorHopper(2, max_episode_steps=1000)
    envs.reset(seed=0)
    obs = acted(envs, 60)[-1][0]
    for hopper, seen in zip(envs.hoppers, obs, strict=True):
        pitch = hopper.qpos[2]
        assert seen[:3] == pytest.approx([hopper.qpos[1] - STANDING, np.sin(pitch), np.cos(pitch)], abs=1e-6)
        assert seen[PITCH_RATE] == pytest.approx(np.clip(hopper.qvel[2], -10, 10) * VELOCITY_SCALE, abs=1e-6)
    assert np.abs(obs[:, FORWARD:]).max() <= 10 * VELOCITY_SCALE + 1e-6


def test_the_skeleton_is_where_mujoco_has_the_body():
    envs = VectorHopper(4, max_episode_steps=1000)
    envs.reset(seed=0)
    obs = acted(envs, 50)[-1][0]
    for hopper, body in zip(envs.hoppers, skeleton(obs), strict=True):
        envs.mujoco.mj_forward(envs.model, hopper)
        for geom, ends in enumerate(body, start=1):
            centre = hopper.geom_xpos[geom][[0, 2]] - [hopper.qpos[0], 0]
            half = hopper.geom_xmat[geom].reshape(3, 3)[[0, 2], 2] * envs.model.geom_size[geom][1]
            expected = sorted([tuple(centre - half), tuple(centre + half)])
            assert np.allclose(sorted(map(tuple, ends)), expected, atol=1e-5)


def test_the_head_leans_to_where_the_toe_points_when_the_pitch_is_positive():
    obs = np.zeros(12)
    obs[SIN_PITCH], obs[COS_PITCH] = np.sin(0.3), np.cos(0.3)
    (top, hip), *_, (heel, toe) = skeleton(obs)
    assert top[0] > 0 > hip[0] and toe[0] > heel[0]


def test_pictures_differ_where_states_do_and_the_ground_moves_with_the_way():
    obs = np.zeros((3, 12))
    obs[:, COS_PITCH] = 1.0
    obs[:, FORWARD] = 1.0 * VELOCITY_SCALE                              # 1 m/s
    assert way_gone(obs) == pytest.approx(np.array([1, 2, 3]) * TIME_STEP)
    obs[2, SIN_PITCH], obs[2, COS_PITCH] = 1.0, 0.0
    pictures = draw(obs, 80, np.array([0.0, 0.1, 0.1]))
    assert pictures.shape == (3, 80, 80, 3) and pictures.dtype == np.uint8
    sky = slice(0, 70)
    assert np.array_equal(pictures[0, sky], pictures[1, sky]) and not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1, sky], pictures[2, sky])


@pytest.mark.parametrize("broken", [ImportError("no module"), OSError("libmujoco.so: file too short")])
def test_without_mujoco_a_sentence_says_what_to_do(monkeypatch, broken):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "mujoco":
                raise broken

    monkeypatch.delitem(sys.modules, "mujoco", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(CourseError, match="make lab"):
        VectorHopper(1)


WITHOUT_OPENGL = """
import sys

class NoOpenGL:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("OpenGL", "glfw"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, NoOpenGL())
import numpy as np
from course_lib.hopper.task import perform
from course_lib.hopper.task import HopperTask
shown = perform(HopperTask().network(0), seconds=0.2, hoppers=2)
print(shown.film(0, 40).shape)
"""


def test_opengl_is_needed_nowhere():
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MUJOCO_GL")}
    done = subprocess.run([sys.executable, "-c", WITHOUT_OPENGL], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(6, 40, 40, 3)"
