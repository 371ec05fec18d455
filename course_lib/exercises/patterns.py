"""Recognise a wrong array that is the right one in disguise: sign turned, scaled, shifted, reversed."""

import math

import torch

from course_lib.exercises.describe import number


def same_but(got: torch.Tensor, expected: torch.Tensor) -> str | None:
    """A sentence when one simple step leads from `got` to `expected` (float64, one shape), else None."""

    def equal(other: torch.Tensor) -> bool:
        return bool(torch.isclose(other, expected, rtol=1e-4, atol=1e-6).all())

    if not bool(torch.isfinite(got).all() and torch.isfinite(expected).all()) or not bool(expected.any()):
        return None
    if equal(-got):
        return "The numbers are right and the sign is turned round: is a minus missing, or one too many?"
    if got.numel() == 1:
        return _multiple(float(got / expected))
    if float(expected.max() - expected.min()) < 1e-6:
        return None
    if got.ndim == 1 and equal(got.flip(0)):
        return "The numbers are right, in reverse order."
    factor = float((got * expected).sum() / (expected * expected).sum())
    if abs(factor) > 1e-6 and equal(got / factor):
        return (f"Every value is {number(factor)} times the expected one: is a factor missing, or a sum in place of a "
                "mean?")
    shift = float((got - expected).mean())
    if equal(got - shift):
        return f"Every value is off by the same {number(shift)}: is something not added, or not subtracted?"
    return None


def _multiple(ratio: float) -> str | None:
    """A sentence when one number is 2 to 10 times another, or that part of it."""
    for n in range(2, 11):
        for factor, words in ((n, f"{n} times"), (1 / n, f"1/{n} of")):
            if math.isclose(ratio, factor, rel_tol=1e-4):
                return (f"The value is {words} the expected one: is a factor wrong, or a sum taken in place of a mean "
                        "(or a mean in place of a sum)?")
    return None
