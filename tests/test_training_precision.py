"""16-bit products are a matter of the processor: nothing takes them unasked where they are slow."""

import dataclasses
import importlib
import pkgutil

import pytest
import torch
from torch import nn

import course_lib.lm
from course_lib.training import precision


@pytest.mark.parametrize("quick", (True, False))
def test_none_asks_the_processor(monkeypatch, quick):
    monkeypatch.setattr(precision, "bfloat16_is_quick", lambda: quick)
    assert precision.in_bfloat16(None) is quick
    with precision.products(None):
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == (torch.bfloat16 if quick else torch.float32)


@pytest.mark.parametrize("setting", (True, False))
def test_a_person_may_insist(monkeypatch, setting):
    monkeypatch.setattr(precision, "bfloat16_is_quick", lambda: not setting)
    with precision.products(setting):
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == (torch.bfloat16 if setting else torch.float32)


@pytest.fixture
def measure(monkeypatch):
    """Measure with these seconds of a 32-bit and of a 16-bit product, one pair a round, the last for ever after."""
    def measure(*rounds):
        left = {torch.float32: [a for a, _ in rounds], torch.bfloat16: [b for _, b in rounds]}
        taken = {torch.float32: 0, torch.bfloat16: 0}

        def seconds(dtype):
            taken[dtype] += 1
            return left[dtype].pop(0) if len(left[dtype]) > 1 else left[dtype][0]

        monkeypatch.setattr(precision, "_seconds", seconds)
        return precision._measured(), taken[torch.bfloat16]
    return measure


def test_the_quickest_of_interleaved_rounds_decides(measure):
    assert measure((2.0, 1.0)) == (True, 12)
    assert measure((1.0, 0.8)) == (False, 12)
    assert measure((9.0, 9.0), (9.0, 8.0), (1.0, 1.9)) == (False, 12), "the machine was busy in the first two rounds"
    assert measure((1.0, 9.0), (1.0, 6.0)) == (False, 2), "emulated: nobody waits for twelve rounds"


@pytest.mark.parametrize(("words", "quick"), [("1", True), ("0", False)])
def test_the_environment_decides(monkeypatch, words, quick):
    monkeypatch.setenv("COURSE_BFLOAT16", words)
    monkeypatch.setattr(precision, "_measured", lambda: not quick)
    assert precision.bfloat16_is_quick.__wrapped__() is quick


def test_the_environment_says_something_else(monkeypatch):
    monkeypatch.setenv("COURSE_BFLOAT16", "yes")
    with pytest.raises(ValueError, match="COURSE_BFLOAT16 is 'yes', but it can only be 1"):
        precision.bfloat16_is_quick.__wrapped__()


def test_no_setting_of_the_library_is_16_bits_by_default():
    found = {}
    for module in pkgutil.iter_modules(course_lib.lm.__path__, "course_lib.lm."):
        for value in vars(importlib.import_module(module.name)).values():
            for field in dataclasses.fields(value) if dataclasses.is_dataclass(value) else ():
                if field.name == "bfloat16":
                    kind = value if isinstance(value, type) else type(value)
                    found.setdefault(kind.__name__, set()).add(field.default if value is kind else value.bfloat16)
    assert len(found) >= 4
    assert {setting for settings in found.values() for setting in settings} <= {None, False}, found
