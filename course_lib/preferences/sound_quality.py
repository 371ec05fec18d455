"""A small table of real human choices: eight ways to play the same music.

Forty listeners in a laboratory heard short excerpts of Beethoven, Rachmaninov, Steely Dan and Sting through eight
reproduction modes, two at a time, and said which they preferred: 783 runs of all 28 pairs, 21,924 choices.

Source of the counts: S. Choisel and F. Wickelmaier (2007), "Evaluation of multichannel reproduced sound: Scaling
auditory attributes underlying listener preference", Journal of the Acoustical Society of America 121, 388–400; the
data are distributed as `SoundQuality` with the R package psychotools. Taught in lesson 03, sections 3.1 to 3.4.
"""

import numpy as np

MODES = ("Mono", "Phantom mono", "Stereo", "Wide stereo", "Matrix", "Upmix 1", "Upmix 2", "Original")

_FIRST_WINS = {                      # (i, j): how often mode i was preferred to mode j, out of 783
    (0, 1): 268, (0, 2): 46, (1, 2): 85, (0, 3): 94, (1, 3): 126, (2, 3): 468, (0, 4): 65, (1, 4): 99, (2, 4): 391,
    (3, 4): 358, (0, 5): 65, (1, 5): 104, (2, 5): 443, (3, 5): 394, (4, 5): 411, (0, 6): 81, (1, 6): 142, (2, 6): 504,
    (3, 6): 436, (4, 6): 458, (5, 6): 432, (0, 7): 61, (1, 7): 101, (2, 7): 399, (3, 7): 369, (4, 7): 381, (5, 7): 373,
    (6, 7): 333,
}
RUNS = 783


def sound_quality_wins() -> np.ndarray:
    """Win counts, (8, 8) int64: row i, column j says how often mode i was preferred to mode j. Order: `MODES`."""
    wins = np.zeros((len(MODES), len(MODES)), dtype=np.int64)
    for (i, j), count in _FIRST_WINS.items():
        wins[i, j], wins[j, i] = count, RUNS - count
    return wins
