"""close and shape_is: what passes, and that every sort of fault gets words of its own."""

import math

import numpy as np
import pytest
import torch

from course_lib.exercises import Fail, close, shape_is
from course_lib.exercises.describe import LONG, describe, describe_call

ROW = torch.tensor([0.5, -1.0, 2.0])


def words(got: object, expected: object, **more: object) -> str:
    """The mistake line of a comparison that must fail."""
    with pytest.raises(Fail) as caught:
        close(got, expected, **more)
    return caught.value.mistake


@pytest.mark.parametrize("got", [
    ROW, ROW.double(), ROW.numpy(), ROW.double().numpy(), ROW + 4e-6, ROW.clone().requires_grad_(),
    torch.nn.Parameter(ROW), ROW.as_strided((3,), (1,)), torch.stack([ROW, ROW], 1)[:, 0],
])
def test_a_right_tensor_passes_whatever_its_float_type_and_layout(got):
    close(got, ROW)


@pytest.mark.parametrize("got", [
    0.25, np.float32(0.25), np.float64(0.25), np.array(0.25), torch.tensor(0.25), torch.tensor(0.25).double()])
@pytest.mark.parametrize("expected", [0.25, torch.tensor(0.25), np.float64(0.25)])
def test_a_right_number_passes_in_every_wrapping(got, expected):
    close(got, expected)


@pytest.mark.parametrize(("got", "expected"), [
    (3, 3.0), (3.0, 3), (np.int64(3), 3.0), (True, True), (np.bool_(True), True), (torch.tensor(True), True),
    ([1.0, 2.0], [1.0, 2.0]), ((1, 2), [1.0, 2.0]), (torch.tensor([1.0, 2.0]), [1.0, 2.0]),
    ([torch.tensor(1.0), np.float64(2)], [1.0, 2.0]), (torch.tensor([1, 2]), torch.tensor([1, 2], dtype=torch.int32)),
    (torch.tensor([math.nan, 1.0]), torch.tensor([math.nan, 1.0])), (math.inf, math.inf), (3, torch.tensor(3.0)),
    (torch.zeros(0), torch.zeros(0)),
])
def test_these_pass_too(got, expected):
    close(got, expected)


@pytest.mark.parametrize(("got", "part"), [
    (None, "None back: is a `return` missing"),
    ((x for x in [1]), "generator"),
    (math, "whole module"),
    (torch.sigmoid, "brackets of a call"),
    ([0.5, -1.0, 2.0], "a list back, where a tensor is wanted"),
    ("0.5", "type str"),
    (object(), "type object"),
    ({"a": 1}, "type dict"),
    (torch.tensor([[0.5, -1.0, 2.0]]), "differ by a dimension of length 1"),
    (torch.tensor(0.5), "averaged or summed into one"),
    (torch.ones(3, 3), "broadcasts into a square table"),
    (torch.ones(4), "not (3,)"),
    (torch.tensor([1, 2, 3]), "whole numbers (int64) where fractions are wanted"),
    (torch.tensor([True, False, True]), "True/False (bool) where fractions are wanted"),
    (ROW.numpy().astype(int), "whole numbers (int64)"),
    (torch.complex(ROW, ROW), "complex numbers"),
    (torch.tensor([0.5, math.nan, math.nan]), "2 of 3 values are NaN"),
    (torch.tensor([0.5, -1.0, math.inf]), "1 of 3 values are infinite"),
    (-ROW, "sign is turned round"),
    (2 * ROW, "Every value is 2 times"),
    (ROW - 0.25, "off by the same -0.25"),
    (ROW.flip(0), "in reverse order"),
    (torch.tensor([0.5, -1.0, 7.0]), "1 of 3 values differs, at [2]: 7 where 2"),
    (ROW + 1e-3 * torch.tensor([1.0, 0, 0]), "1 of 3 values differ"),
])
def test_each_sort_of_fault_has_words_of_its_own(got, part):
    assert part in words(got, ROW)


@pytest.mark.parametrize(("got", "expected", "part"), [
    (torch.ones(3), torch.tensor(1.0), "is the mean (or the sum) missing"),
    (torch.ones(1), torch.tensor(1.0), "wrapped in brackets"),
    (torch.tensor(1), torch.tensor(1.0), "whole numbers (int64)"),
    (True, 1.0, "True/False (bool) where fractions"),
    (1, True, "whole numbers (int) where True/False"),
    (torch.tensor([1.0, 2.0]), torch.tensor([1, 2]), "fractions (float32) where whole numbers"),
    (torch.ones(2, 3), torch.ones(3, 2), "Is a transpose missing"),
    (torch.ones(2, 3, 4), torch.ones(2, 4), "index over one dimension is missing"),
    (6.0, 2.0, "The value is 3 times"), (0.5, 2.0, "1/4 of"), (2.3, 2.0, "off by 0.3"),
    (math.nan, 1.0, "The value is NaN"), ([1.0, "a"], [1.0, 2.0], "a list back"),
    (0.0, math.nan, "The value is 0 where nan"), (3.0, math.inf, "The value is 3 where inf"),
    (torch.tensor([0.5, 0.25, 0.0]), torch.tensor([0.5, 0.25, math.nan]), "1 of 3 values differs, at [2]: 0 where nan"),
    (torch.tensor([math.nan, 2.0]), torch.tensor([math.nan, 4.0]), "at [1]: 2 where 4"),
    ([[1.0], [1.0, 2.0]], [1.0, 2.0], "list"),
])
def test_scalars_and_dtypes_and_shapes(got, expected, part):
    assert part in words(got, expected)


def test_a_likely_value_gets_its_message_before_the_general_words():
    likely = [(torch.tensor([1.0, 1.0]), "one"), (torch.tensor(math.nan), "not a number"), (-3.0, "minus three")]
    assert words(torch.tensor([1.0, 1.0]), torch.tensor(3.0), likely=likely) == "one"        # even of another shape
    assert words(torch.tensor(math.nan), torch.tensor(3.0), likely=likely) == "not a number"
    assert words(-3.0, torch.tensor(3.0), likely=likely) == "minus three"
    assert words(9.5, torch.tensor(3.0), likely=likely, otherwise="look again") == "look again"
    assert "None" in words(None, torch.tensor(3.0), likely=likely, otherwise="look again")   # not a fault of values


def test_tolerances_are_the_callers():
    close(torch.tensor([1.01]), torch.tensor([1.0]), rtol=0.02)
    close(torch.tensor([0.01]), torch.tensor([0.0]), atol=0.02)
    assert words(torch.tensor([1.03]), torch.tensor([1.0]), rtol=0.02)


def test_fail_shows_values_shapes_and_types():
    with pytest.raises(Fail) as caught:
        close(torch.ones(2, 1), torch.tensor([1.0, 2.0]), call="f(x)")
    fail = caught.value
    assert fail.call == "f(x)"
    assert fail.expected == "tensor [1, 2], shape (2,), float32"
    assert fail.got == "tensor [[1], [1]], shape (2, 1), float32"
    assert "called   f(x)" in str(fail) and fail.mistake in str(fail)
    assert isinstance(fail, AssertionError)


def test_shape_is():
    shape_is(torch.ones(4, 3), (4, 3))
    shape_is(np.ones((4, 3)), (None, 3))
    shape_is(torch.tensor(1.0), ())
    for got, expected, part in ((torch.ones(3, 4), (4, 3), "transpose"), (torch.ones(3), (4, None), "(3,)"),
                                (None, (1,), "None back"), ([1.0], (1,), "a list back"), (1.0, (), "type float")):
        with pytest.raises(Fail) as caught:
            shape_is(got, expected)
        assert part in caught.value.mistake
    with pytest.raises(Fail) as caught:
        shape_is(torch.ones(3), (), mistake="take the mean")
    assert caught.value.mistake == "take the mean"


class Unprintable:
    """An object whose repr raises."""

    def __repr__(self) -> str:
        raise ValueError("no")


class Endless:
    """An object whose repr is huge."""

    def __repr__(self) -> str:
        return "x" * 10**6


@pytest.mark.parametrize("value", [
    Unprintable(), Endless(), list(range(10**6)), {i: i for i in range(10**5)}, torch.rand(1000, 1000), "y" * 10**6,
    [[Unprintable()]], torch.tensor([math.nan] * 20), np.array(["a", None], dtype=object), torch.zeros(0), 3 + 4j,
    torch.nn.Linear(2, 2), Unprintable, print, torch.zeros(3, 4, dtype=torch.bfloat16), range(3), {1, 2},
])
def test_describe_is_one_short_line_for_anything(value):
    text = describe(value)
    assert text and len(text) <= LONG and "\n" not in text


def test_describe_names_shape_range_and_faults():
    big = torch.linspace(-1, 1, 40).reshape(4, 10)
    assert describe(big) == "tensor of shape (4, 10), float32, values from -1 to 1"
    big[0, 0] = math.nan
    assert describe(big).endswith("1 of 40 NaN or infinite")
    assert describe(np.float64(0.5)) == "0.5 (float64)"
    assert describe_call("f", (torch.tensor([0.7]), [1, "a"]), {"mu": big}) == (
        "f([0.7], [1, 'a'], mu=<tensor of shape (4, 10)>)")
