"""What a student's process may do with the objects that an exercise hands to the student's function: very little.

Environments, networks and functions stay in the grader, and of each no more is open than a right answer needs
(`ENVIRONMENT`, `NETWORK`, calling). Settings and other small objects of the course are sent as copies. Nothing else is
handed out: `CannotHandOver` says that an adapter is missing here.
"""

import dataclasses
import enum
import types
from collections.abc import Callable
from typing import Any

import gymnasium
from torch import nn

from course_lib.classroom import wire
from course_lib.classroom.bridge import End
from course_lib.classroom.errors_across import bare, built, text_of
from course_lib.classroom.remote import Steps
from course_lib.errors import CourseError
from course_lib.exercises.compare import Fail

ENVIRONMENT = ("num_envs", "metadata", "single_observation_space", "single_action_space", "observation_space",
               "action_space", "reset", "step", "close")
SPACE = ("shape", "n", "low", "high", "dtype", "nvec")
NETWORK = ("__call__", "forward", "distribution", "value", "hidden", "logits", "config")
SENTENCE = 600                                      # characters of an error's text
COPIED = ("course_lib.", "gymnasium.vector")        # packages whose small objects are sent as copies


class CannotHandOver(CourseError):
    """An exercise hands a student's function an object that the grader has no adapter for."""


class GradersDoor:
    """The grader's end.

    Attributes:
        last: what the student's process told of the last error: kind, text, line.
        unable: set when an exercise handed over what there is no adapter for.
    """

    def __init__(self) -> None:
        self._errors: list[BaseException] = []
        self.last: dict[str, Any] = {}
        self.unable: CannotHandOver | None = None

    def write(self, end: End, value: Any, writer: wire.Writer) -> Any:
        """A copy, or a handle of what an exercise may hand out.

        Raises:
            CannotHandOver: there is no adapter for it.
        """
        kind = type(value)
        if isinstance(value, enum.Enum):
            return ["copy", kind.__module__, kind.__qualname__, value.name]
        if isinstance(value, gymnasium.vector.VectorEnv | gymnasium.Env):
            constants = {name: getattr(value, name) for name in ("num_envs", "metadata") if hasattr(value, name)}
            return ["environment", end.handle(value), writer.write(constants)]
        if kind is types.SimpleNamespace:
            return ["copy", "types", "SimpleNamespace", writer.write(vars(value))]
        if kind.__module__.startswith(COPIED) and not _of_lesson(kind):
            return ["copy", kind.__module__, kind.__qualname__, writer.write(_state(value))]
        if isinstance(value, gymnasium.Space | Steps) or callable(value):
            return end.handle(value)
        self.unable = CannotHandOver(f"an exercise hands over a value of type {kind.__module__}.{kind.__qualname__}, "
                                     f"which "
                                     "the grader has no adapter for (course_lib/classroom/graders_door.py)")
        raise self.unable

    def read(self, tree: list[Any], reader: wire.Reader) -> Any:
        """Generators of the student."""
        match tree:
            case ["steps", handle]:
                return _generator(reader.read(handle))
        raise wire.Refused("a value with an unknown tag")

    def attribute(self, value: Any, name: str) -> Any:
        """One of the few that are open."""
        return getattr(value, self._open(value, name))

    def method(self, value: Any, name: str) -> Callable[..., Any]:
        """One of the few that are open."""
        if name == "__call__" and callable(value) and not isinstance(value, gymnasium.vector.VectorEnv):
            return value
        return getattr(value, self._open(value, name))

    def _open(self, value: Any, name: str) -> str:
        kinds = ((gymnasium.vector.VectorEnv | gymnasium.Env, ENVIRONMENT), (gymnasium.Space, SPACE),
                 (nn.Module, NETWORK))
        if not any(isinstance(value, kind) and name in names for kind, names in kinds):
            raise AttributeError(f"{type(value).__name__!r} has no attribute {name!r} that the grader hands out")
        return name

    def told(self, error: BaseException) -> dict[str, Any]:
        """Its number, and its words unless they are a check's, which may say what is expected."""
        if not isinstance(error, Exception) or isinstance(error, CannotHandOver):
            raise error
        self._errors.append(bare(error))
        text = "the check has seen enough" if isinstance(error, Fail) else text_of(error)[:SENTENCE]
        return {"type": type(error).__name__, "base": next(
            kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"), "text": text,
            "back": len(self._errors) - 1}

    def as_error(self, told: dict[str, Any]) -> BaseException:
        """The student's error; one of one's own that passed through the student's code is itself."""
        back = told.get("back")
        if type(back) is int and 0 <= back < len(self._errors):
            return self._errors[back]
        self.last = {key: value for key, value in told.items() if isinstance(value, str)}
        if isinstance(told.get("unwritten"), str):
            return NotImplementedError()
        return built(str(told.get("type")), str(told.get("base")), str(told.get("text"))[:SENTENCE])


def _state(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return dict(vars(value)) if type(value).__dictoffset__ else {}         # a sealed reward answers no question


def _of_lesson(kind: type) -> bool:
    return kind.__module__.startswith("course_lib.exercises") or issubclass(kind, types.FunctionType)


def _generator(steps: Any) -> Any:
    """A generator here that goes through one there."""
    while True:
        more, item = steps._end.ask("next", steps)
        if not more:
            return
        yield item
