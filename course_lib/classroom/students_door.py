"""What the grader may do with the objects of a student's process: anything, and what comes back is data."""

import enum
import importlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from course_lib.classroom import wire
from course_lib.classroom.bridge import End
from course_lib.classroom.errors_across import built, text_of
from course_lib.classroom.remote import Steps
from course_lib.exercises.error_messages import unwritten, unwritten_function

SENTENCE = 600                  # characters of an error's text


class StudentsDoor:
    """The end in the process that runs the student's code."""

    def __init__(self, where: Callable[[BaseException], str]) -> None:
        """`where` says at which of the student's lines an error was raised."""
        self._where = where

    def write(self, end: End, value: Any, writer: wire.Writer) -> Any:
        """Plain data in the disguise of another class becomes plain; everything else is a handle."""
        if isinstance(value, torch.Tensor):
            return writer.write(value.as_subclass(torch.Tensor))
        if isinstance(value, np.ndarray) and type(value) is not np.ndarray:
            return writer.write(np.asarray(value))
        for kind in (bool, int, float, str, bytes, complex, list, tuple, dict, set, frozenset):
            if isinstance(value, kind):
                return writer.write(_plain(kind, value))
        if isinstance(value, types.GeneratorType):
            return ["steps", end.handle(Steps(value))]
        return end.handle(value)

    def read(self, tree: list[Any], reader: wire.Reader) -> Any:
        """Copies of the course's objects; handles of environments."""
        match tree:
            case ["copy", str(module), str(name), state]:
                kind: Any = importlib.import_module(module)
                for part in name.split("."):
                    kind = getattr(kind, part)
                if issubclass(kind, enum.Enum):
                    return kind[reader.read(state)]
                if issubclass(kind, tuple):
                    return kind(*reader.read(state))
                made = kind.__new__(kind)
                for key, item in reader.read(state).items():
                    object.__setattr__(made, key, item)
                return made
            case ["environment", handle, constants]:
                made = reader.read(handle)
                made.__dict__.update(reader.read(constants))
                return made
        raise wire.Refused(f"a value with the unknown tag {tree[:1]}")

    def attribute(self, value: Any, name: str) -> Any:
        """Any."""
        return getattr(value, name)

    def method(self, value: Any, name: str) -> Callable[..., Any]:
        """Any."""
        if name == "__iter__":
            return lambda: iter(value)
        return value if name == "__call__" else getattr(value, name)

    def told(self, error: BaseException) -> dict[str, Any]:
        """Kind, text and line of an error; `back` is its number where it came from the grader."""
        text = text_of(error)
        told = {"type": type(error).__name__, "text": text[:SENTENCE], "where": self._where(error),
                "base": next((kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"), "")}
        if isinstance(error, NotImplementedError) and unwritten(error):
            told["unwritten"] = unwritten_function(error)
        if isinstance(getattr(error, "back", None), int):
            told["back"] = error.back
        return told

    def as_error(self, told: dict[str, Any]) -> BaseException:
        """An error of the grader's objects, as the student's code meets it."""
        error = built(str(told["type"]), str(told.get("base", "")), str(told["text"]))
        if "back" in told:
            error.back = told["back"]
        return error


def _plain(kind: type, value: Any) -> Any:
    """The data of a value whose class is a child of a plain one, whatever its methods say."""
    if kind is dict:
        return dict(dict.items(value))
    if kind in (list, tuple, set, frozenset):
        return kind(kind.__iter__(value))
    if kind is bytes:
        return bytes.__getitem__(value, slice(None))
    if kind is str:
        return str.__str__(value)
    return {bool: bool, int: int.__int__, float: float.__float__,
            complex: lambda one: complex(one.real, one.imag)}[kind](value)
