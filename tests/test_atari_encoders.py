"""Encoders on real frames: the ball is never lost, the score never seen."""

import numpy as np
import pytest

from course_lib.atari.encoders import BALL, BinaryFrames, PongObjects, forty_rows
from course_lib.atari.games import PONG, UnknownGame, emulators, find_game
from course_lib.atari.pong import ball_seen


@pytest.fixture(scope="module")
def screens() -> np.ndarray:
    """Real screens of Pong under random play, (T * N, 210, 160)."""
    games, rng, kept = emulators(PONG, 4), np.random.default_rng(0), []
    games.reset(seed=3)
    for _ in range(300):
        screen, *_ = games.step(np.array(PONG.actions)[rng.integers(0, 3, 4)])
        kept.append(screen[:, 0].copy())
    games.close()
    return np.concatenate(kept)


def test_screens_hold_a_ball_and_points(screens):
    court = screens[:, PONG.court]
    assert (court == BALL).any(axis=(1, 2)).mean() > 0.5
    assert len(np.unique(screens[:, :24].reshape(len(screens), -1), axis=0)) > 3, "no score changed: a weak sample"


@pytest.mark.parametrize("rows", [40, 80])
def test_the_ball_sets_a_cell_where_it_is_on_the_screen(screens, rows):
    court, height = screens[:, PONG.court], 160 // rows
    cells = BinaryFrames(rows=rows).look(court)                                     # (M, rows, 40)
    for picture, cell in zip(court[::7], cells[::7], strict=True):
        down, columns = np.nonzero(picture == BALL)
        behind_paddles = np.isin(columns // 4, (4, 35)).all()
        if len(down) and not behind_paddles:
            assert cell[down.min() // height:down.max() // height + 1, columns.min() // 4:columns.max() // 4 + 1].any()


def test_every_cell_that_is_set_has_something_in_it_and_empty_court_sets_none(screens):
    court = screens[:, PONG.court]
    something = (court != PONG.floor).reshape(-1, 80, 2, 40, 4).any(axis=(2, 4))    # (M, 80, 40)
    cells = BinaryFrames().look(court).astype(bool)
    assert not (cells & ~something).any()
    assert not BinaryFrames().look(np.full((1, 160, 160), PONG.floor, np.uint8)).any()


def test_forty_rows_of_eighty_are_what_a_coarse_look_sees(screens):
    court = screens[:, PONG.court]
    fine, coarse = BinaryFrames(), BinaryFrames(rows=40)
    assert np.array_equal(forty_rows(fine.join(fine.look(court), fine.look(court))),
                          coarse.join(coarse.look(court), coarse.look(court)))
    assert forty_rows(coarse.look(court)).shape == (len(court), 40, 40)


def test_objects_are_where_a_hand_made_picture_has_them():
    before = np.full((1, 160, 160), PONG.floor, np.uint8)
    before[0, 40:44, 80:82] = BALL
    before[0, 100:116, 140:144] = 147
    now = before.copy()
    now[0, 40:44, 80:82] = PONG.floor
    now[0, 48:52, 88:90] = BALL
    objects = PongObjects()
    obs = objects.join(objects.look(now), objects.look(before))[0]
    assert obs == pytest.approx([1, 0.1, -0.4, 0.35, 0, 0.5, 0.5, 0, 0, (0.3 - 0.675) * 4], abs=1e-5)


def test_a_ball_that_appears_has_no_movement_yet():
    empty = np.full((1, 160, 160), PONG.floor, np.uint8)
    served = empty.copy()
    served[0, 20:24, 120:122] = BALL
    objects = PongObjects()
    obs = objects.join(objects.look(served), objects.look(empty))[0]
    assert obs[5:7].tolist() == [0, 0]


def test_both_encoders_agree_on_when_the_ball_is_seen(screens):
    import torch

    court = screens[:, PONG.court]
    frames, objects = BinaryFrames(), PongObjects()
    in_cells = ball_seen(torch.from_numpy(frames.join(frames.look(court), frames.look(court))))
    in_objects = ball_seen(torch.from_numpy(objects.join(objects.look(court), objects.look(court))))
    assert (in_cells == in_objects).float().mean() > 0.95        # they differ only where ball and paddle share a column


def test_an_unknown_game_is_named_together_with_those_there_are():
    with pytest.raises(UnknownGame, match="no game 'pomg'.*pong.*donkey_kong"):
        find_game("pomg")
    assert find_game("ALE/Pong-v5") is PONG
