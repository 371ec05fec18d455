"""differentiable: a gradient that is lost, half lost, or not a number is named."""

import pytest
import torch

from course_lib.exercises.compare import Fail
from course_lib.exercises.gradient import differentiable
from course_lib.exercises.guard import Guard


def product(a, b):
    """The course's own."""
    return (a * b).sum()


def two(rng):
    """Two rows of one length."""
    length = rng.length()
    return rng.normal(length) + 2, rng.normal(length)


def said(fn, reference=product, args=two, wrt=("a", "b")) -> str:
    """What is said of a gradient that differs."""
    with pytest.raises(Fail) as caught:
        differentiable(Guard(fn, "product"), args, reference, wrt=wrt)
    return str(caught.value)


@pytest.mark.parametrize("fn", [
    product, lambda a, b: torch.dot(a, b), lambda a, b: torch.einsum("i,i->", a.double(), b.double()),
    lambda a, b: sum(x * y for x, y in zip(a, b, strict=True)),
])
def test_right_answers_in_other_words_pass(fn):
    differentiable(Guard(fn, "product"), two, product, wrt=["a", "b"])


@pytest.mark.parametrize(("fn", "says"), [
    (lambda a, b: product(a, b).detach(), "No gradient flows back to `a` and `b`"),
    (lambda a, b: float(product(a, b)), "No gradient flows back to `a` and `b`"),
    (lambda a, b: (a.detach().numpy() * b.detach().numpy()).sum(), "numpy"),
    (lambda a, b: torch.tensor(product(a, b).item(), requires_grad=True), "No gradient reaches `a`"),
    (lambda a, b: product(a, b.detach()), "No gradient reaches `b`"),
    (lambda a, b: product(a, b) + (a - a.detach()).sum(), "not the gradient"),
    (lambda a, b: product(a, b) + 0 * torch.sqrt(a - a.detach()).sum(), "is not a number"),
    (lambda a, b: 2 * product(a, b), "2 times"),
])
def test_what_cuts_or_bends_a_gradient_is_named(fn, says):
    assert says in said(fn)


def test_one_call_in_place_of_a_draw():
    given = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    differentiable(Guard(product, "product"), given, product, wrt=["a"])
    assert "[3, 4]" in said(lambda a, b: product(a, b) + 0 * a.sum() + (a - a.detach()).sum(), args=given, wrt=["a"])
