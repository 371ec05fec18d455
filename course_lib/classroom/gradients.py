"""Gradients that flow from one process into another and back.

A tensor with a gradient that comes back from the other process is the result of a node (`_Across`) whose inputs are
the tensors with a gradient that went there, and all parameters that both ends share. Its backward step asks the other
process for the slopes, which keeps its part of the graph (`Graphs`) until this end has dropped the node.
"""

import weakref
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.optim import optimizer as optimizers

from course_lib.classroom import wire

KEPT = 20_000               # graphs that one end keeps for the other


class Proxy:
    """An object of the other process (`remote.Remote`)."""


class Graphs:
    """Results of this end that have a gradient, and what it flows back to."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[list[torch.Tensor], list[torch.Tensor]]] = {}
        self._next = 0

    def keep(self, results: list[torch.Tensor], leaves: list[torch.Tensor]) -> int:
        """The number under which the other end asks for the slopes."""
        if len(self._kept) >= KEPT:
            raise wire.Refused("more results with a gradient than can be kept")
        self._next += 1
        self._kept[self._next] = (list(results), list(leaves))
        return self._next

    def drop(self, number: Any) -> None:
        """Forget one."""
        self._kept.pop(number, None)

    def backward(self, number: int, parameters: list[torch.Tensor], slopes: list[torch.Tensor | None]) -> list[Any]:
        """Slopes of the leaves and of these parameters, given the slopes of the results; None where there is none."""
        if number not in self._kept:
            raise wire.Refused("a gradient of nothing")
        results, leaves = self._kept[number]
        given = [(result, slope) for result, slope in zip(results, slopes, strict=True) if slope is not None]
        over = [*leaves, *parameters]
        places = [i for i, one in enumerate(over) if isinstance(one, torch.Tensor) and one.requires_grad]
        found: list[Any] = [None] * len(over)
        if given and places:
            with torch.enable_grad():
                some = torch.autograd.grad([result for result, _ in given], [over[i] for i in places],
                                           [slope for _, slope in given], retain_graph=True, allow_unused=True)
            for i, slope in zip(places, some, strict=True):
                found[i] = None if slope is None else slope.detach()
        return found


class _Graph:
    """Stands for a graph of the other end as long as a node of this end needs it."""

    def __init__(self, end: Any, number: int) -> None:
        self.number = number
        weakref.finalize(self, end.freed.append, ("graph", number))


class _Across(torch.autograd.Function):
    """The other process, as a step of this one's graph."""

    @staticmethod
    def forward(ctx: Any, end: Any, graph: _Graph, count: int, parameters: list[torch.Tensor],
                *tensors: torch.Tensor) -> Any:
        """`tensors` are the `count` results as they came, then what their gradient flows back to."""
        ctx.set_materialize_grads(False)
        ctx.end, ctx.graph, ctx.count, ctx.parameters = end, graph, count, parameters
        ctx.shapes = [tensor.shape for tensor in tensors[count:-1]]
        return tuple(tensor.clone() for tensor in tensors[:count])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: torch.Tensor | None) -> Any:
        """Ask the other process."""
        found = ctx.end.ask("backward", ctx.graph.number, list(ctx.parameters), list(slopes))
        if not isinstance(found, list) or len(found) != len(ctx.shapes) or any(
                slope is not None and (not isinstance(slope, torch.Tensor) or slope.shape != shape)
                for slope, shape in zip(found, ctx.shapes, strict=True)):
            raise wire.Refused("slopes that do not fit")
        return (*[None] * (4 + ctx.count), *found, None)


def across(end: Any, graph: Any, raws: list[torch.Tensor], asked: list[torch.Tensor]) -> list[torch.Tensor]:
    """The results as tensors of this end's graph. `asked`: the tensors with a gradient that went with the question."""
    if type(graph) is not int:
        raise wire.Refused("a gradient without a graph")
    parameters = end.mirrors.trained()
    with torch.enable_grad():
        other_own = torch.zeros((), requires_grad=True)         # a result may hang on tensors of the other end alone
        return list(_Across.apply(end, _Graph(end, graph), len(raws), parameters, *raws, *asked, *parameters,
                                  other_own))


def somebody_watches() -> bool:
    """Whether anybody in this process wants to know of the steps of optimizers."""
    return bool(optimizers._global_optimizer_pre_hooks)


def report_steps(end: Any) -> None:
    """Tell the other end of each step of an optimizer here, as long as it watches."""

    def tell(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if end.watched:
            groups = [{key: value for key, value in group.items()
                       if key == "params" or isinstance(value, bool | int | float | str | tuple | None)}
                      for group in optimizer.param_groups]
            end.ask("step", optimizer, groups)

    watching = optimizers.register_optimizer_step_pre_hook(tell)
    assert watching is not None


def tell_watchers(optimizer: Any, groups: list[dict[str, Any]]) -> None:
    """Pass on to this process's watchers that an optimizer of the other process is about to take a step.

    The gradients that they look at are kept equal on both ends (`mirrors`).
    """
    if not isinstance(optimizer, Proxy):
        raise wire.Refused("a step of no optimizer")
    optimizer.__dict__["param_groups"] = groups
    try:
        for hook in list(optimizers._global_optimizer_pre_hooks.values()):
            hook(optimizer, (), {})
    finally:
        del optimizer.__dict__["param_groups"]
