"""Which likely mistakes a comparison may name: those that cannot be mixed up with what is right, or with each other."""

import torch

from course_lib.exercises import apart, close, likely_values

NUMBERS = torch.tensor([1.0, 2.0, 4.0])
RIGHT = NUMBERS.mean()


def test_apart_leaves_out_what_is_right_and_both_of_two_that_are_equal():
    likely = [(RIGHT, "right"), (NUMBERS.sum(), "the sum"), (NUMBERS.sum(), "another sum"),
              (NUMBERS.max(), "the largest")]
    assert apart(RIGHT, likely) == [(NUMBERS.max(), "the largest")]
    assert len(apart(RIGHT, [(NUMBERS.sum(), "the sum")] * 2)) == 2, "one message twice blames nobody wrongly"


def test_likely_values_leaves_out_what_is_right_and_the_later_of_two_that_are_equal():
    slips = [(torch.mean, "right"), (torch.sum, "the sum"), (lambda x: x.cumsum(0)[-1], "a sum of another kind"),
             (torch.max, "the largest")]
    assert likely_values(slips, NUMBERS, right=RIGHT) == [(NUMBERS.sum(), "the sum"), (NUMBERS.max(), "the largest")]


def test_likely_values_of_functions_that_return_plain_numbers_serve_close():
    slips = [(lambda a, b: (b, a), "They have changed places."), (lambda a, b: (a, a), "The first comes twice.")]
    likely = likely_values(slips, 2, 5, right=(2, 5))
    assert [value.tolist() for value, _ in likely] == [[5.0, 2.0], [2.0, 2.0]]
    try:
        close(torch.tensor([5.0, 2.0]), torch.tensor([2.0, 5.0]), likely=likely)
    except AssertionError as error:
        assert "They have changed places." in str(error)
    else:
        raise AssertionError("a wrong value passed")


def test_a_slip_of_another_shape_is_told_apart():
    assert len(likely_values([(lambda x: x[:, None], "a column")], NUMBERS, right=NUMBERS)) == 1
