"""Atari clips in the label store, compared by synthetic labelers through the same session as a person."""

from dataclasses import replace

import numpy as np
import torch

from course_lib.atari.donkey_kong import (
    HALF_OF_HIM,
    LADDERS,
    KongClimbLabeler,
    KongLadderLabeler,
    KongObjects,
    floor_of,
    jumpman,
)
from course_lib.atari.encoders import BALL
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.evaluate import occlusion, rewards_along
from course_lib.atari.games import DONKEY_KONG, PONG
from course_lib.atari.reward_ensemble import AtariRewardEnsemble, FitConfig
from course_lib.atari.reward_models import RowPooledReward
from course_lib.atari.synthetic_labelers import PongPointsLabeler
from course_lib.atari.tasks import TASKS
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.loop import PreferenceLoop
from course_lib.preferences.segments import Segment


def clip(*ball: int) -> Segment:
    frames = np.full((len(ball), 160, 160), PONG.floor, np.uint8)
    for frame, column in zip(frames, ball, strict=True):
        frame[60:64, column:column + 2] = BALL
    return Segment(torch.full((len(ball), 2, 40, 40), ball[0] % 2, dtype=torch.uint8), frames=frames)


def test_answers_come_back_as_preferences_with_their_source_and_no_pair_twice(tmp_path):
    won, lost, nothing, other = clip(30, 20, 4), clip(131, 141, 156), clip(80, 84, 88), clip(70, 75, 80)
    asked = iter([[(won, lost), (lost, nothing), (won, won), (lost, won)], [(nothing, other)]])
    task = replace(TASKS["pong objects"], num_envs=1)
    config = task.config(total_steps=512, labels=3, first_labels=3, rollouts=1)
    loop = PreferenceLoop(task, PreferenceStore(tmp_path / "labels.sqlite"), tmp_path / "run", "pong-test", config,
                          select=lambda clips, count, ensemble, rng: next(asked))
    assert loop.collect() == 3, "a clip was compared with itself, or a pair was asked about twice"
    labeler = loop.labeler(PongPointsLabeler())
    labeler.answer_synthetic()
    preferences = sorted(labeler.require(), key=lambda p: p.group)
    assert [p.mu for p in preferences] == [1.0, 0.0, 0.5]
    assert {p.source for p in preferences} == {"scripted"}
    assert np.array_equal(preferences[0].sigma1.obs, won.obs) and preferences[0].sigma1.obs.dtype == np.uint8
    assert preferences[0].sigma1.info["height"] == 320


def kong_court(across: int, feet: int, barrel: tuple[int, int] | None = None) -> np.ndarray:
    court = np.zeros((160, 160), np.uint8)
    court[feet - 15:feet, across:across + 8] = 110
    if barrel:
        court[barrel[1]:barrel[1] + 8, barrel[0]:barrel[0] + 8] = 199
    return court


def ends(across: int, feet: int) -> Segment:
    """A clip that ends with Jumpman there."""
    return Segment(torch.zeros(1), frames=np.stack([kong_court(50, 157), kong_court(across, feet)]))


def test_the_climbing_judge_wants_up_then_right():
    labeler = KongClimbLabeler()
    assert labeler(ends(50, 120), ends(90, 157)) == 1.0           # higher
    assert labeler(ends(50, 157), ends(90, 157)) == 0.0           # nearer to the ladder
    assert labeler(ends(50, 157), ends(50, 152)) == 0.5           # a jump
    assert labeler(ends(50, 100), ends(90, 104)) == 0.5           # the same girder
    gone = Segment(torch.zeros(1), frames=np.zeros((2, 160, 160), np.uint8))
    assert labeler(gone, ends(40, 157)) == 0.0
    assert labeler.ties == 2


def test_floors_follow_the_slanted_girders():
    assert [floor_of(45, 157), floor_of(45, 151)] == [0, 0]     # standing and jumping on the ground
    assert [floor_of(106, 150), floor_of(106, 141)] == [0, 0]   # on the first ladder
    assert [floor_of(106, 137), floor_of(40, 131), floor_of(40, 134)] == [1, 1, 0]  # the second floor rises to the left
    assert [floor_of(78, 107), floor_of(106, 105), floor_of(50, 77), floor_of(106, 48), floor_of(60, 26)] == [
        2, 2, 3, 4, 5]


def test_the_ladder_judge_wants_up_then_the_next_ladder():
    labeler = KongLadderLabeler()
    assert labeler(ends(106, 150), ends(106, 157)) == 0.5         # a jump
    assert labeler(ends(106, 147), ends(106, 157)) == 1.0         # on the ladder
    assert labeler(ends(106, 157), ends(118, 157)) == 1.0         # not past it
    assert labeler(ends(90, 157), ends(60, 157)) == 1.0           # nearer to it
    assert labeler(ends(90, 136), ends(106, 157)) == 1.0          # a floor higher
    assert labeler(ends(80, 136), ends(100, 137)) == 1.0          # there the next ladder is on the left
    gone = Segment(torch.zeros(1), frames=np.zeros((2, 160, 160), np.uint8))
    assert [labeler(gone, ends(40, 157)), labeler(ends(40, 157), gone), labeler(gone, gone)] == [0.0, 1.0, 0.5]
    assert labeler.ties == 2


def test_kong_objects_name_jumpman_and_the_nearest_barrel():
    objects = KongObjects()
    before = objects.look(kong_court(40, 157, (100, 148))[None])
    now = objects.look(kong_court(48, 157, (92, 148))[None])
    obs = objects.join(now, before)[0]
    assert obs[0] == 1 and abs(obs[1] + 0.4) < 1e-6 and obs[3] > 0 and obs[4] == 0
    assert obs[5] == 1 and obs[6] > 0 and obs[8] < 0            # a barrel on the right that comes nearer
    alone = objects.join(*[objects.look(kong_court(48, 157)[None])] * 2)[0]
    assert (alone[5:] == 0).all()


def test_explanations_point_at_what_the_model_uses():
    ensemble = AtariRewardEnsemble(RowPooledReward, FitConfig(members=2))
    obs = np.zeros((6, 2, 40, 40), np.uint8)
    obs[3, 0, 21, 5] = 1
    along = rewards_along(ensemble, obs)
    assert along.shape == (2, 6) and np.abs(along[:, [0, 1, 2, 4, 5]]).max() < 1e-5 and np.abs(along[:, 3]).min() > 1e-4
    rests = occlusion(ensemble, obs[3])
    assert rests.shape == (10, 10)
    assert np.unravel_index(np.abs(rests).argmax(), rests.shape) == (5, 1)
    difference = ensemble.predict(torch.from_numpy(obs[None]))[0]
    assert np.isclose(rests[5, 1], float(difference[3] - difference[0]), atol=1e-5)


def test_on_real_frames_jumpman_climbs_where_the_judge_has_its_ladder():
    envs = AtariEnvs(DONKEY_KONG, 8, KongObjects(), keep_frames=True)
    envs.reset(seed=3)
    jump, climb, right, left = (DONKEY_KONG.action_names.index(name) for name in ("jump", "climb", "right", "left"))
    foot, floors, actions = LADDERS[0][0] - HALF_OF_HIM, np.zeros(8, dtype=int), np.full(8, jump)
    for _ in range(120):
        envs.step(actions)                                          # the first starts the game: it waits for a button
        seen, across, feet = jumpman(envs.take_frames()[-1])
        actions = np.where(np.abs(across - foot) <= 1, climb, np.where(across < foot, right, left))
        places = zip(seen, across, feet, strict=True)
        floors = np.maximum(floors, [floor_of(x, y) if there else 0 for there, x, y in places])
    assert floors.max() == 1
