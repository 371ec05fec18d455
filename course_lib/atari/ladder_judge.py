"""A scripted labeller of Donkey Kong that corrects another: not to the right, but to the next ladder. Lesson 06.

`ClimbJudge` (kong.py) likes an agent further right, and gets one that runs past the ladder. This one answers as a
person might who has watched that agent for a round.
"""

import numpy as np

from course_lib.atari.kong import A_STEP_UP, end_of
from course_lib.atari.scripted_judge import ScriptedJudge
from course_lib.atari.segments import Segment

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


class LadderJudge(ScriptedJudge):
    """Prefers the clip that ends on a higher floor or higher on a ladder; else the one that ends nearer to a ladder.

    It looks at the last frame in which Jumpman is seen; a clip without him is worst. Ties are counted.
    """

    def verdict(self, sigma1: Segment, sigma2: Segment) -> float:
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
