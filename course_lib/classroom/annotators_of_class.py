"""What a class's labels say together: a table for the fit, outliers, and accuracy by number of students.

The fit is preferences/annotators.py. Used in classroom/class_labels.ipynb.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.labels.records import Item
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.annotators import AnnotatorFit, consensus, fit_annotators

FEWEST = 10                         # labels of one student from which anything is said about them
FASTEST = 1.0                       # seconds: nobody reads two texts, or watches two clips, in less
CERTAIN = 1.96                      # standard errors of an interval that holds the truth 19 times of 20


@dataclass(frozen=True)
class LabelTable:
    """The labels of a run as tensors, a row a label; skips and repeated pairs are left out."""

    students: tuple[str, ...]
    items: tuple[Item, ...]
    left: Tensor                    # (labels,) int64 index of the item that stood left on the student's screen
    right: Tensor
    said_left: Tensor               # (labels,) 1 left, 0 right, 0.5 equal
    student: Tensor                 # (labels,) int64
    pair: Tensor                    # (labels,) int64: the same number, the same two items
    seconds: Tensor                 # (labels,) from drawn to answered; nan where it was not measured

    def __len__(self) -> int:
        return len(self.left)

    def only(self, chosen: Tensor) -> "LabelTable":
        """The labels where `chosen`, (labels,) bool, holds; students and items keep their numbers."""
        rows = {name: getattr(self, name)[chosen] for name in ("left", "right", "said_left", "student", "pair",
                                                              "seconds")}
        return LabelTable(self.students, self.items, **rows)

    def fit(self, features: Tensor | None = None, **options: bool) -> AnnotatorFit:
        """`fit_annotators` on these labels."""
        return fit_annotators(self.left, self.right, self.said_left, self.student, items=len(self.items),
                              annotators=len(self.students), features=features, **options)


def label_table(store: PreferenceStore, run: str, leave_out: Sequence[str] = ()) -> LabelTable:
    """The labels of a run, without those of the students named.

    Raises:
        CourseError: nothing is left.
    """
    sides = {row["pair_id"]: (row["sigma1"], row["sigma2"]) for row in store.preference_rows(run)}
    labels = [label for label in store.labels(run) if label.choice != "skip" and label.labeler not in leave_out]
    if not labels:
        there = ", ".join(store.runs()) or "none"
        raise CourseError(f"There are no labels in the run “{run}”. Runs in the file: {there}.")
    students = sorted({label.labeler for label in labels})
    names = sorted({name for label in labels for name in sides[label.pair_id]})
    place = {name: number for number, name in enumerate(names)}
    shown = [sides[label.pair_id][::-1] if label.flip else sides[label.pair_id] for label in labels]
    twos = {two: number for number, two in enumerate(sorted({tuple(sorted(two)) for two in shown}))}
    said = {"left": 1.0, "right": 0.0, "equal": 0.5}
    seconds = [np.nan if label.response_ms is None else label.response_ms / 1000 for label in labels]
    return LabelTable(tuple(students), tuple(map(store.item, names)),
                      torch.tensor([place[two[0]] for two in shown]), torch.tensor([place[two[1]] for two in shown]),
                      torch.tensor([said[label.choice] for label in labels]),
                      torch.tensor([students.index(label.labeler) for label in labels]),
                      torch.tensor([twos[tuple(sorted(two))] for two in shown]), torch.tensor(seconds))


def outliers(table: LabelTable, fit: AnnotatorFit) -> dict[str, list[str]]:
    """student -> what is unusual about their labels, for a person to look at; no student has to be at fault.

    A reliability is called low only where its whole 95% interval is. The test of a side is two-sided and exact, at 1%
    for the whole class (Bonferroni): the store draws sides at random, so half of all answers should fall on each.
    """
    found: dict[str, list[str]] = {}
    level = 0.01 / len(table.students)
    for k, name in enumerate(table.students):
        own = table.only(table.student == k)
        said, seconds = own.said_left[own.said_left != 0.5], own.seconds[~own.seconds.isnan()]
        if len(own) < FEWEST:
            found[name] = [f"only {len(own)} labels: too few to say anything"]
            continue
        q, error = fit.reliability[k].item(), fit.reliability_error[k].item()
        low, high = max(0.0, q - CERTAIN * error), min(1.0, q + CERTAIN * error)
        words = []
        lefts = int((said == 1).sum())
        if len(said) and scipy.stats.binomtest(lefts, len(said)).pvalue < level:
            side, number = ("left", lefts) if 2 * lefts > len(said) else ("right", len(said) - lefts)
            words.append(f"one side: {side} in {number} of {len(said)} answers")
        if high < 0.5:
            words.append(f"upside down: reliability {q:.2f} ({low:.2f} to {high:.2f})")
        elif low <= 0.5 and high < 0.85 and not words:
            words.append(f"at random: reliability {q:.2f} ({low:.2f} to {high:.2f})")
        if len(seconds) and seconds.median() < FASTEST:
            words.append(f"fast: {seconds.median():.1f} s for half of the answers")
        if len(said) < len(own) / 2:
            words.append(f"ties: {len(own) - len(said)} of {len(own)} answers")
        if words:
            found[name] = words
    return found


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy on held-out pairs with so many students: one number for each random draw, for both ways to fit."""

    students: int
    annotators: tuple[float, ...]               # each with a reliability and a position bias of their own
    equal_trust: tuple[float, ...]              # everybody trusted alike


def accuracy_curve(table: LabelTable, features: Tensor, sizes: Sequence[int], draws: int, *, held_out: float = 0.25,
                   seed: int = 0) -> list[CurvePoint]:
    """How accuracy on held-out pairs grows with the number of students whose labels are used.

    Each draw holds out another quarter of the pairs and takes other students, the same for both fits. What is right on
    a held-out pair is the consensus of *all* students' labels on it, weighted by the reliability that the fit to all
    found. The texts of a held-out pair may stand in other pairs. features: (items, D).

    Raises ValueError when more students are asked for than there are.
    """
    if max(sizes) > len(table.students):
        raise ValueError(f"there are {len(table.students)} students, not {max(sizes)}")
    truth = pair_consensus(table, table.fit(features))
    rng = np.random.default_rng(seed)
    numbers, points = np.array(sorted(truth)), []
    for size in sizes:
        found: tuple[list[float], list[float]] = ([], [])
        for _ in range(draws):
            held = rng.choice(numbers, max(1, round(held_out * len(numbers))), replace=False)
            chosen = rng.choice(len(table.students), size, replace=False)
            used = (torch.isin(table.student, torch.as_tensor(chosen))
                    & ~torch.isin(table.pair, torch.as_tensor(held)))
            if not used.any():
                continue
            for values, options in zip(found, ({}, {"equal_trust": True}), strict=True):
                scores = table.only(used).fit(features, **options).scores(features)
                values.append(_share_right(scores, {number: truth[number] for number in held.tolist()}))
        points.append(CurvePoint(size, tuple(found[0]), tuple(found[1])))
    return points


def pair_consensus(table: LabelTable, fit: AnnotatorFit) -> dict[int, tuple[int, int]]:
    """pair -> (the item that all labels together call better, the other one); undecided pairs are left out."""
    found = {}
    for number in table.pair.unique().tolist():
        own = table.only(table.pair == number)
        one, two = sorted((own.left[0].item(), own.right[0].item()))
        as_shown = own.left == one
        votes = sum(sign * consensus(fit, own.said_left[side], own.student[side])
                    for sign, side in ((1, as_shown), (-1, ~as_shown)))
        if votes:
            found[number] = (one, two) if votes > 0 else (two, one)
    return found


def _share_right(scores: Tensor, truth: Mapping[int, tuple[int, int]]) -> float:
    gaps = torch.tensor([scores[better] - scores[worse] for better, worse in truth.values()])
    return torch.where(gaps == 0, 0.5, (gaps > 0).double()).mean().item()
