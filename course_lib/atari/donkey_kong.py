"""Donkey Kong: what the agent observes, and two synthetic labelers that like climbing. Lesson 07.

Random play hardly ever meets a reward (100 points for a barrel jumped over), and the way up is one long detour: a game
where the score teaches little and a person's preferences could teach more. `KongClimbLabeler` prefers an agent further
right, and gets one that runs past the ladder. `KongLadderLabeler` answers as a person might who has watched that agent
for a round: nearer to the next ladder is better. Results: benchmarks/donkey_kong.py.
"""

import numpy as np

from course_lib.preferences.segments import Segment
from course_lib.preferences.synthetic_labeler import SyntheticLabeler

JUMPMAN, BARREL = 110, 199                      # shades of grey; nothing else in the court has them
GROUND_FLOOR = 155 - 34                         # rows of the court from here on belong to the lowest floor
A_STEP_UP, A_STEP_ASIDE = 8, 8                  # pixels: less is no difference (a jump lifts him by 5)


def jumpman(court: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where Jumpman is: (seen, across, feet), each (N,); pixels of the court, feet counted from the top.

    court: (N, 160, 160) grey, or (N, 160, 160, 3) as people see it (Donkey Kong's clips are grey).
    """
    grey = court[..., 0] if court.ndim == 4 else court
    he = grey == JUMPMAN                                                            # (N, 160, 160)
    rows, columns = he.any(axis=2), he.any(axis=1)                                  # (N, 160) each
    return rows.any(axis=1), columns.argmax(axis=1), 160 - rows[:, ::-1].argmax(axis=1)


class KongObjects:
    """Ten numbers: Jumpman seen, across, up; how he moves across and up; the nearest barrel seen, its way to the right
    and down from him, and how those change. Places are shares of the court, movements ten times that."""

    shape = (10,)
    dtype = np.float32

    def look(self, court: np.ndarray) -> np.ndarray:
        """(N, 160, 160) -> (N, 6): seen, across, feet; barrel seen, right of him, below him."""
        seen, across, feet = jumpman(court)
        barrel = (court == BARREL)[:, ::2, ::2]                                     # (N, 80, 80)
        looks = np.zeros((len(court), 6), dtype=np.float32)
        looks[:, :3] = np.stack([seen, across / 160, feet / 160], axis=1)
        for n in np.flatnonzero(seen & barrel.any(axis=(1, 2))):
            down, right = np.nonzero(barrel[n])
            right, down = 2 * right - across[n] - 4, 2 * down - feet[n] + 6         # from his middle, pixels
            nearest = np.argmin(np.abs(right) + 3 * np.abs(down))                   # those on his own floor first
            looks[n, 3:] = 1, right[nearest] / 160, down[nearest] / 160
        return looks

    def join(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        """(N, 6) twice -> (N, 10)."""
        moved = (now - before) * 10
        both = now[:, :1] * before[:, :1]
        barrels = now[:, 3:4] * before[:, 3:4]
        return np.concatenate([
            now[:, :1], now[:, 1:2] * 2 - 1, 1 - now[:, 2:3] * 2, moved[:, 1:2] * both, -moved[:, 2:3] * both,
            now[:, 3:4], now[:, 4:6] * 3, moved[:, 4:6].clip(-3, 3) * barrels], axis=1).astype(np.float32)


class KongClimbLabeler(SyntheticLabeler):
    """Prefers the clip that ends higher up; on the lowest floor, the one that ends further right, where the ladder is.

    It looks at the last frame in which Jumpman is seen; a clip without him is worst. Ties are counted.
    """

    def compare(self, sigma1: Segment, sigma2: Segment) -> float:
        nowhere = (0, 200)  # below every floor
        (across1, feet1), (across2, feet2) = end_of(sigma1) or nowhere, end_of(sigma2) or nowhere
        if abs(feet1 - feet2) >= A_STEP_UP:
            return float(feet1 < feet2)
        if min(feet1, feet2) >= GROUND_FLOOR and abs(across1 - across2) >= A_STEP_ASIDE:
            return float(across1 > across2)
        return 0.5


def end_of(segment: Segment) -> tuple[int, int] | None:
    """(across, feet) where Jumpman is last seen in a clip, pixels of the court; None if he is not in it."""
    seen, across, feet = jumpman(segment.frames)
    if not seen.any():
        return None
    last = np.flatnonzero(seen)[-1]
    return int(across[last]), int(feet[last])


# ends of each girder above the ground, from the lowest: (columns), (rows of the upper edge), pixels of the court. Read
# off a frame, as are the ladders.
GIRDERS = (((32, 118), (131, 138)), ((40, 126), (110, 103)), ((32, 118), (75, 82)), ((40, 126), (54, 47)),
           ((32, 118), (26, 26)))
# the middle columns of the whole ladders that lead up from each floor, from the lowest
LADDERS = ((110,), (50, 82), (90, 110), (50, 70), (110,), (34, 78))
HALF_OF_HIM, SINKS_IN = 4, 2            # pixels: his middle is so far right of his edge; so deep may his feet stand
CLOSER = 3                              # pixels: less is no difference


def floor_of(across: int, feet: int) -> int:
    """On which floor Jumpman is, counted from 0; on a ladder, the floor that it leads up from. Pixels of the court."""
    edges = [np.interp(across + HALF_OF_HIM, *girder) for girder in GIRDERS]
    return sum(feet <= edge + SINKS_IN for edge in edges)


class KongLadderLabeler(SyntheticLabeler):
    """Prefers the clip that ends on a higher floor or higher on a ladder; else the one that ends nearer to a ladder.

    It looks at the last frame in which Jumpman is seen; a clip without him is worst. Ties are counted.
    """

    def compare(self, sigma1: Segment, sigma2: Segment) -> float:
        end1, end2 = end_of(sigma1), end_of(sigma2)
        if end1 is None or end2 is None:
            return 0.5 if end1 is end2 else float(end2 is None)
        floor1, floor2 = floor_of(*end1), floor_of(*end2)
        if floor1 != floor2:
            return float(floor1 > floor2)
        if abs(end1[1] - end2[1]) >= A_STEP_UP:
            return float(end1[1] < end2[1])
        way1, way2 = (min(abs(across + HALF_OF_HIM - ladder) for ladder in LADDERS[floor1])
                      for across, _ in (end1, end2))
        return float(way1 < way2) if abs(way1 - way2) >= CLOSER else 0.5
