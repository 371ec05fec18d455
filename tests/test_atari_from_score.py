"""What lesson 06 rests on: the emulator pools two frames, its functions are the library's; films, waits, results."""

import json

import numpy as np
import pytest
import torch

from course_lib.atari import pong, shipped
from course_lib.atari.encoders import BinaryFrames
from course_lib.atari.envs import AtariEnvs, film
from course_lib.atari.evaluate import paddle_hits, steps_to_the_point
from course_lib.atari.games import PONG, UnknownGame, emulators
from course_lib.atari.networks import CoarseAgent, FrameAgent
from course_lib.atari.pong import at_points, pong_from_score
from course_lib.atari.shipped import NoResults
from course_lib.exercises.lesson_checks import lesson_06
from course_lib.interrupts import PatientInterrupt
from course_lib.rl.rollout import Collector
from course_lib.training.checkpoint import CheckpointError


@pytest.fixture(autouse=True)
def few_games(monkeypatch):
    """Two games at once instead of 16: the same code, an eighth of the wait."""
    monkeypatch.setattr(pong, "NUM_ENVS", 2)


@pytest.mark.parametrize("game", ["pong", "asteroids"])
def test_frame_skip_of_the_exercise_is_the_emulators_own(game: str):
    from dataclasses import replace

    slow = emulators(replace(PONG, name=game), 1, frameskip=1, noop_max=0)
    fast = emulators(replace(PONG, name=game), 1, frameskip=4, maxpool=True, noop_max=0)
    slow.reset(seed=4), fast.reset(seed=4)
    rng = np.random.default_rng(0)
    for button in rng.choice(PONG.actions, 60):
        steps = [slow.step(np.array([button])) for _ in range(4)]
        frames, rewards = np.stack([s[0][0, 0] for s in steps]), np.array([s[1][0] for s in steps])
        picture, reward, *_ = fast.step(np.array([button]))
        pooled, reward_sum = lesson_06.frame_skip(frames, rewards, 4)
        assert np.array_equal(pooled[0], picture[0, 0]) and reward_sum[0] == reward[0]
    slow.close(), fast.close()


def test_the_exercises_cells_and_boundaries_are_those_of_the_library():
    envs = AtariEnvs("pong", 4, BinaryFrames(), keep_frames=True)
    rollout, _ = Collector(envs, FrameAgent(), torch.Generator().manual_seed(0), seed=2).collect(128)
    courts = envs.take_frames().reshape(-1, 160, 160)
    screens = np.random.default_rng(0).integers(0, 256, (len(courts), 210, 160), dtype=np.uint8)
    screens[:, PONG.court] = courts
    assert np.array_equal(lesson_06.to_cells(screens), BinaryFrames().look(courts))
    assert at_points(rollout).any()
    assert torch.equal(lesson_06.point_boundaries(rollout.rewards, rollout.ended), at_points(rollout))


def test_the_exercises_pairs_are_those_that_the_environment_shows():
    envs = AtariEnvs("pong", 3, BinaryFrames(), max_num_frames_per_episode=240)
    rollout, _ = Collector(envs, FrameAgent(), torch.Generator().manual_seed(0), seed=2).collect(100)
    assert rollout.ended.any()
    paired = lesson_06.with_the_look_before(rollout.obs[:, :, 0], rollout.ended)
    assert torch.equal(paired, rollout.obs)


def test_a_seed_fixes_training_and_another_changes_it():
    def losses(seed: int) -> list[tuple]:
        ppo = pong_from_score(seed, num_steps=32, minibatch_size=32)
        return [(p.policy_loss, p.value_loss, p.entropy) for p in ppo.train(until=2 * 64)]

    assert losses(5) == losses(5) != losses(6)


def test_a_stopped_pong_run_goes_on_to_the_same_curve(tmp_path):
    def run(name: str, until: int) -> list[tuple]:
        ppo = pong_from_score(3, tmp_path / name, num_steps=32, minibatch_size=32, checkpoint_every=2)
        for _ in ppo.train(until=until):
            pass
        return [(p.steps, p.policy_loss, p.entropy) for p in ppo.history]

    whole = run("whole.pt", 4 * 64)
    run("parts.pt", 2 * 64)
    assert run("parts.pt", 4 * 64) == whole and len(whole) == 4


def test_a_run_left_in_the_middle_is_kept_and_a_spoiled_one_is_called_that(tmp_path):
    ppo = pong_from_score(3, tmp_path / "run.pt", num_steps=32, minibatch_size=32)
    with PatientInterrupt():
        for _ in ppo.train():
            break                                       # what `watch` does when ■ is pressed
    assert pong_from_score(3, tmp_path / "run.pt", num_steps=32, minibatch_size=32).steps == 64
    with pytest.raises(CheckpointError, match="lam 0.98 there, 0.5 here"):
        pong_from_score(3, tmp_path / "run.pt", num_steps=32, minibatch_size=32, lam=0.5)
    (tmp_path / "run.pt").write_bytes((tmp_path / "run.pt").read_bytes()[:4000])
    with pytest.raises(CheckpointError, match="damaged"):
        pong_from_score(3, tmp_path / "run.pt", num_steps=32, minibatch_size=32)


def test_the_coarse_network_has_nine_places_and_plays():
    network = CoarseAgent(seed=1)
    distribution, values = network(torch.rand(5, 2, 80, 40))
    assert distribution.logprobs.shape == (5, 3) and values.shape == (5,)
    assert network.trunk[:5](torch.zeros(1, 2, 80, 40)).shape == (1, 32 * 3 * 3)
    same = CoarseAgent(seed=1)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), same.parameters(), strict=True))


def test_a_film_shows_the_court_in_colour_and_a_seed_fixes_it():
    first, again = (film(FrameAgent(), steps=30, seed=1) for _ in range(2))
    assert len(first) == 30 and first[0].shape == (160, 160, 3)
    assert np.array_equal(first, again)
    colours = {tuple(colour) for colour in np.stack(first).reshape(-1, 3)[::7].tolist()}
    assert colours <= set(PONG.colours.values()), "something other than court, ball and paddles"
    with pytest.raises(UnknownGame):
        film(FrameAgent(), game="space_invaders_2")


def court_with_ball(columns: list[int]) -> np.ndarray:
    """Frames (T, 1, 160, 160) with a ball in these columns, none where the column is negative."""
    frames = np.full((len(columns), 1, 160, 160), 87, np.uint8)
    for t, column in enumerate(columns):
        if column >= 0:
            frames[t, 0, 80:84, column:column + 2] = 236
    return frames


def test_the_wait_runs_from_our_paddle_hit_to_the_point_won():
    columns = [128, 132, 136, 132, 128, 124, -1, -1, 80, 84]
    assert paddle_hits(np.array(columns)).nonzero()[0].tolist() == [3]
    rewards = np.array([0, 0, 0, 0, 0, 1, 0, 0, 0, 1.0])[:, None]
    assert steps_to_the_point(court_with_ball(columns), rewards) == [2]     # the second point was won without a hit
    assert steps_to_the_point(court_with_ball(columns), -rewards) == []
    assert not paddle_hits(np.array([20, 24, 20, 16])).any(), "that was the other paddle"


def test_results_come_by_seed_and_missing_ones_say_how_to_measure_them(tmp_path, monkeypatch):
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    (folder / "pong_job.jsonl").write_text("".join(json.dumps({"seed": seed}) + "\n" for seed in (2, 0, 1)))
    monkeypatch.setattr(shipped, "root", lambda: tmp_path)
    assert [line["seed"] for line in shipped.benchmark_results("job")] == [0, 1, 2]
    with pytest.raises(NoResults, match="python benchmarks/pong_parts.py"):
        shipped.benchmark_results("parts", script="pong_parts")


def test_variants_of_the_parts_benchmark_differ_in_one_thing_each(monkeypatch):
    import sys

    from course_lib.paths import root

    monkeypatch.syspath_prepend(str(root() / "benchmarks"))
    import pong_parts

    made, taught = {name: make(0) for name, make in pong_parts.VARIANTS.items()}, pong_from_score(0)
    assert taught.boundary_function is at_points and made["no point boundaries"].boundary_function is None
    assert made["lambda 0.95"].config.lam == 0.95 != taught.config.lam
    assert isinstance(made["3 x 3 grid"].network, CoarseAgent) and made["3 x 3 grid"].config == taught.config
    assert made["40 rows"].collector.obs.shape[1:] == (2, 40, 40) and made["40 rows"].config == taught.config
    for name in ("pong_parts", "record"):
        sys.modules.pop(name, None)
