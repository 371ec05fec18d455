"""Objects of the other process, as code of this one uses them: attributes, calls, items and loops go there."""

from typing import Any

import torch

from course_lib.classroom.gradients import Proxy


class Remote(Proxy):
    """An object of the other process. Attributes, calls, items and loops go there; it equals itself alone."""

    def __init__(self, end: Any, number: int) -> None:
        self.__dict__["_end"], self.__dict__["_number"] = end, number

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        try:
            return self._end.ask("get", self, name)
        except AttributeError as error:
            raise AttributeError(str(error), name=name, obj=self) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._end.ask("set", self, name, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of the student>"

    def __iter__(self) -> Any:
        numbers = self._end.ask("iter", self)
        while True:
            more, item = self._end.ask("next", numbers)
            if not more:
                return
            yield item

    def __len__(self) -> int:
        return self._end.ask("len", self)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: Any) -> Any:
        return self._end.ask("item", self, key)


class RemoteFunction(Remote):
    """One that can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._end.call(self, "__call__", args, kwargs)


def kind_of(name: str, callable_: bool) -> type[Remote]:
    """The class for objects of a class of this name; one of torch's optimizers passes `isinstance` as such."""
    optimizer = getattr(torch.optim, name, None) if name.isidentifier() else None
    known = isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer)
    name = name if name.isidentifier() and len(name) < 80 else "Object"
    return type(name, (RemoteFunction if callable_ else Remote,),
                {"__class__": property(lambda self: optimizer)} if known else {})


class Steps:
    """A loop that the other end goes through."""

    def __init__(self, steps: Any) -> None:
        self._steps = steps

    def next(self) -> tuple[bool, Any]:
        """(True, item), or (False, None) at the end."""
        for item in self._steps:
            return True, item
        return False, None
