"""A synthetic class: label files as 24 students might hand them in, each by a synthetic labeler of a known kind.

To try the class's notebook before there is a class, and to test it: who answers at random, always left or upside down
is known here. The kinds are those of preferences/teachers.py (Lee et al. 2021). What they compare are rated texts, and
their marks are the mean human rating. Every label is stored with source = "scripted".
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from course_lib.labels.fingerprints import question_key
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.human_ratings import RatedText
from course_lib.preferences.segments import Segment
from course_lib.preferences.teachers import LeftWhenUnsure, Marks, Teacher

RUN = "text-taste"                  # as in lesson 10
SHARED = 12                         # pairs that everybody labels, so that agreement of each two can be counted
POOL = 150                          # further pairs, of which each student labels OWN: each pair gets 4 or 5 students
OWN = 28
SECONDS = 6.0                       # median of an answer that somebody read for


def kinds(marks: Marks) -> dict[str, tuple[str, Teacher]]:
    """student -> (the kind in words, its teacher), 24 of them."""
    found = {f"student{n:02}": ("careful", Teacher(marks, beta=2.5, seed=n)) for n in range(1, 13)}
    found |= {f"student{n:02}": ("noisy", Teacher(marks, beta=1.0, seed=n)) for n in range(13, 17)}
    found |= {f"student{n:02}": ("errs in one of five", Teacher(marks, epsilon=0.2, seed=n)) for n in (17, 18)}
    found["student19"] = ("equal when close", Teacher(marks, delta_equal=1.0, seed=19))
    found["student20"] = ("left when unsure", LeftWhenUnsure(marks, delta_equal=0.7, seed=20))
    found["student21"] = ("always left", LeftWhenUnsure(marks, delta_equal=np.inf, seed=21))
    found["student22"] = ("at random", Teacher(marks, beta=0.0, seed=22))
    found["student23"] = ("at random, in 0.3 s each", Teacher(marks, beta=0.0, seed=23))
    found["student24"] = ("upside down", Teacher(marks, epsilon=1.0, seed=24))
    return found


def write(folder: Path, texts: list[RatedText], seed: int = 0) -> Mapping[str, str]:
    """Write `folder/STUDENT/preferences.sqlite` for each student, and a broken file; returns student -> kind."""
    rng = np.random.default_rng(seed)
    short = [text for text in texts if len(text.text) < 200]
    drawn = rng.choice(len(short), size=(SHARED + POOL + 8, 2), replace=True)
    pairs = list({frozenset((one, two)): (one, two) for one, two in
                  ((short[i], short[j]) for i, j in drawn) if one.text != two.text}.values())[:SHARED + POOL]
    ratings = torch.tensor([text.mean for text in short])
    place = {text.text: number for number, text in enumerate(short)}
    everybody = kinds(lambda clip: float(ratings[int(clip.obs[0])]))
    for student, (kind, teacher) in everybody.items():
        own = pairs[:SHARED] + [pairs[SHARED + k] for k in rng.choice(POOL, OWN, replace=False)]
        median = 0.3 if "0.3 s" in kind else SECONDS
        _label(folder / student / "preferences.sqlite", own, place, teacher, median, rng)
    broken = folder / "student25" / "preferences.sqlite"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes((folder / "student01" / "preferences.sqlite").read_bytes()[:5_000])
    return {student: kind for student, (kind, _) in everybody.items()}


def _label(path: Path, pairs: list[tuple[RatedText, RatedText]], place: Mapping[str, int], teacher: Teacher,
           median: float, rng: np.random.Generator) -> None:
    store = PreferenceStore(path)
    with store.transaction():
        for one, two in pairs:
            items = [store.add_text(one.text), store.add_text(two.text)]
            shown = [items[k] for k in rng.permutation(2)]             # drawn here: the same class every time
            store.insert_question(question_key(RUN, "", items), RUN, 0, "", items, shown)
        for question in store.questions_of(RUN):
            left, right = (Segment(torch.tensor([place[item.text]])) for item in store.question(question).shown)
            mu = teacher(left, right)
            choice = {1.0: "left", 0.0: "right", 0.5: "equal", None: "skip"}[mu]
            store.answer(question, choice, labeler="jovyan", source="scripted",
                         response_ms=int(1000 * median * np.exp(rng.normal(0, 0.4))))
    store.close()
