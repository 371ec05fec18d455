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
