"""Splitting preferences into a part to learn from and a part to test on. Taught in lesson 09."""

import random
from collections.abc import Sequence

from course_lib.preferences.records import Preference


def split_by_group(preferences: Sequence[Preference], test_share: float = 0.2,
                   seed: int = 0) -> tuple[list[Preference], list[Preference]]:
    """Training and test part, in the given order; all preferences of one group go to the same part.

    A ranking of four items implies six preferences. If two of them were tested on while four were trained on, the
    model could repeat what it was told instead of predicting it.
    """
    if not 0 <= test_share <= 1:
        raise ValueError(f"test_share is a share between 0 and 1, not {test_share}")
    groups = sorted({preference.group for preference in preferences})
    random.Random(seed).shuffle(groups)
    tested = set(groups[:round(test_share * len(groups))])
    return ([preference for preference in preferences if preference.group not in tested],
            [preference for preference in preferences if preference.group in tested])
