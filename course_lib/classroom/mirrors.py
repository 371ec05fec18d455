"""Networks that both processes have: one end owns a module, the other has a mirror of it with the same parameters.

A mirror's `forward`, methods and attributes are the owner's; its parameters and buffers are real ones, kept equal on
both ends with their gradients: whichever end changes a value says so with its next message. Plain layers of torch
(`PLAIN`) are mirrored by a layer of the same kind, which computes where it is.
"""

import copy
from typing import Any

import torch
from torch import nn

from course_lib.classroom import wire

PLAIN = {kind.__name__: kind for kind in (
    nn.Linear, nn.Embedding, nn.LayerNorm, nn.Dropout, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid,
    nn.Identity, nn.Flatten, nn.Sequential, nn.ModuleList, nn.Conv2d, nn.ParameterList)}
HELD = 256 * 1024 * 1024        # bytes of all parameters and buffers that both ends share
CONSTANTS = (bool, int, float, str, tuple, type(None))


class Mirror(nn.Module):
    """A module of the other process."""

    def __init__(self, end: Any, number: int) -> None:
        super().__init__()
        self.__dict__["_end"], self.__dict__["_number"] = end, number

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The owner's."""
        return self._end.call(self, "__call__", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_"):
                raise
        try:
            found = self._end.ask("get", self, name)
            if callable(found) and not isinstance(found, nn.Module):
                self.__dict__[name] = found             # a method: it need not be asked for again
            return found
        except AttributeError as error:
            raise AttributeError(str(error), name=name, obj=self) from None

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return memo.setdefault(id(self), self._end.ask("copy", self))


class _Shared:
    """A parameter or buffer that both ends have."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        self.note()

    def note(self) -> None:
        """Remember it as it is now."""
        self.values, self.trained = self.tensor.detach().clone(), self.tensor.requires_grad
        self.note_grad()

    def note_grad(self) -> None:
        """Remember its gradient as it is now."""
        grad = self.grad_now()
        self.grad = None if grad is None else grad.clone()

    def changed(self) -> bool:
        """Whether it is no longer what the other end has."""
        now = self.tensor.detach()
        return (self.tensor.requires_grad != self.trained or now.dtype != self.values.dtype
                or not torch.equal(now, self.values))

    def grad_now(self) -> torch.Tensor | None:
        """Its gradient, dense."""
        grad = self.tensor.grad if self.tensor.is_leaf else None
        return None if grad is None else grad.detach().to_dense()

    def grad_changed(self) -> bool:
        """Whether its gradient is no longer what the other end has."""
        now = self.grad_now()
        if now is None or self.grad is None:
            return now is not self.grad
        return now.shape != self.grad.shape or now.dtype != self.grad.dtype or not torch.equal(now, self.grad)


class Mirrors:
    """All that both ends share, by its number."""

    def __init__(self, end: Any) -> None:
        self._end = end
        self._tensors: dict[int, _Shared] = {}
        self._tensor_numbers: dict[int, int] = {}
        self._modules: dict[int, nn.Module] = {}
        self._module_numbers: dict[int, int] = {}
        self._training: dict[int, bool] = {}
        self._next = end.first
        self._held = 0                      # bytes
        self._new: list[int] = []           # shared since the last message

    def _number(self) -> int:
        self._next += 2
        if self._next > 200_000:
            raise wire.Refused("more networks than can be kept track of")
        return self._next

    # ---------------------------------------------------------------------------------------------- parameters

    def parameter(self, value: torch.Tensor) -> int | None:
        """The number of a shared parameter or buffer, None of any other tensor."""
        number = self._tensor_numbers.get(id(value))
        return number if number is not None and self._tensors[number].tensor is value else None

    def get(self, number: int) -> torch.Tensor:
        """The shared tensor of this number."""
        if number not in self._tensors:
            raise wire.Refused("a parameter that is not there")
        return self._tensors[number].tensor

    def trained(self) -> list[torch.Tensor]:
        """The shared tensors that gradients flow to."""
        return [one.tensor for one in self._tensors.values() if one.tensor.requires_grad and one.tensor.is_leaf]

    def share(self, value: torch.Tensor) -> int:
        """Share one more; the other end hears of it with this message."""
        number = self.parameter(value)
        if number is None:
            number = self._number()
            self._keep(number, value)
            self._new.append(number)
        return number

    def _keep(self, number: int, value: torch.Tensor) -> None:
        self._make_room(value)
        self._tensors[number] = _Shared(value)
        self._tensor_numbers[id(value)] = number

    def _make_room(self, value: torch.Tensor, instead: torch.Tensor | None = None) -> None:
        held = self._held + value.nbytes - (0 if instead is None else instead.nbytes)
        if held > HELD:
            raise wire.Refused("more networks than there is room for")
        self._held = held

    def changes(self, writer: wire.Writer) -> list[Any]:
        """What the other end must hear with this message: new parameters, changed ones, train and eval."""
        found: list[Any] = []
        for number in self._new:
            one = self._tensors[number]
            one.note()
            one.grad = None
            found.append([number, ["new", isinstance(one.tensor, nn.Parameter), one.trained,
                                   writer.tensor(one.tensor)]])
        self._new.clear()
        for number, one in self._tensors.items():
            if one.changed():
                one.values, one.trained = one.tensor.detach().clone(), one.tensor.requires_grad
                found.append([number, ["values", one.trained, writer.tensor(one.tensor)]])
            if one.grad_changed():
                one.note_grad()
                found.append([number, ["grad", None if one.grad is None else writer.tensor(one.grad)]])
        for number, module in self._modules.items():
            if self._training[number] != module.training:
                self._training[number] = module.training
                found.append([number, ["training", module.training]])
        return found

    def take(self, changes: list[list[Any]], reader: wire.Reader) -> None:
        """Make the other end's changes here."""
        for number, change in changes:
            match change:
                case ["new", bool(parameter), bool(trained),
                      values] if type(number) is int and number not in self._tensors:
                    tensor = reader.read(values)
                    if not isinstance(tensor, torch.Tensor):
                        raise wire.Refused("a parameter without values")
                    floats = tensor.dtype.is_floating_point or tensor.dtype.is_complex
                    self._keep(number, nn.Parameter(tensor, trained and floats) if parameter
                               else tensor.requires_grad_(trained and floats))
                case ["values", bool(trained), values]:
                    self._take_values(self._known(number), reader.read(values), trained)
                case ["grad", values]:
                    self._take_grad(self._known(number), None if values is None else reader.read(values))
                case ["training", bool(training)] if number in self._modules:
                    self._modules[number].training = self._training[number] = training
                case _:
                    raise wire.Refused("a change of nothing")

    def _known(self, number: Any) -> _Shared:
        if type(number) is not int or number not in self._tensors:
            raise wire.Refused("a parameter that is not there")
        return self._tensors[number]

    def _take_values(self, shared: _Shared, values: Any, trained: bool) -> None:
        tensor = shared.tensor
        if not isinstance(values, torch.Tensor):
            raise wire.Refused("a parameter without values")
        self._make_room(values, tensor)
        with torch.no_grad():
            if values.shape == tensor.shape and values.dtype == tensor.dtype:
                tensor.copy_(values)
            else:
                tensor.data = values
        if tensor.is_leaf:
            tensor.requires_grad_(trained)
        shared.note()

    def _take_grad(self, shared: _Shared, grad: Any) -> None:
        tensor = shared.tensor
        if grad is not None and (not isinstance(grad, torch.Tensor) or grad.shape != tensor.shape
                                 or grad.dtype != tensor.dtype or not tensor.is_leaf):
            raise wire.Refused("a gradient that does not fit")
        tensor.grad = grad
        shared.note_grad()

    # ---------------------------------------------------------------------------------------------- modules

    def write(self, module: nn.Module, writer: wire.Writer) -> Any:
        """The tree of a module: its number alone when the other end has it already."""
        number = self._module_numbers.get(id(module))
        if number is not None and self._modules[number] is module:
            return ["module", number]
        number = self._number()
        self._modules[number], self._module_numbers[id(module)] = module, number
        self._training[number] = module.training
        plain = PLAIN.get(type(module).__name__) is type(module)
        constants = {key: value for key, value in vars(module).items()
                     if plain and not key.startswith("_") and key != "training" and isinstance(value, CONSTANTS)}
        return ["module", number, type(module).__name__, plain, module.training, writer.write(constants),
                *([[name, None if one is None else self.share(one)] for name, one in some.items()]
                  for some in (module._parameters, module._buffers)),
                [[name, None if one is None else self.write(one, writer)] for name, one in module._modules.items()]]

    def read(self, tree: list[Any], reader: wire.Reader) -> nn.Module:
        """The module of a tree: one's own, or a mirror."""
        match tree:
            case ["module", int(number)]:
                if number not in self._modules:
                    raise wire.Refused("a network that is not there")
                return self._modules[number]
            case ["module", int(number), str(name), bool(plain), bool(training), constants, list(parameters),
                  list(buffers), list(modules)] if number not in self._modules:
                made = self._made(number, name, plain, reader.read(constants))
                self._modules[number], self._module_numbers[id(made)] = made, number
                self._training[number] = made.training = training
                for key, one in parameters:
                    made._parameters[_name(key)] = None if one is None else self.get(one)
                for key, one in buffers:
                    made._buffers[_name(key)] = None if one is None else self.get(one)
                for key, one in modules:
                    made._modules[_name(key)] = None if one is None else self.read(one, reader)
                return made
        raise wire.Refused("a network that is none")

    def _made(self, number: int, name: str, plain: bool, constants: Any) -> nn.Module:
        if plain:
            made = PLAIN[name].__new__(PLAIN[name])
            nn.Module.__init__(made)
            for key, value in constants.items():
                if key in _OWN or key.startswith("_") or not isinstance(value, CONSTANTS):
                    raise wire.Refused("a layer with a constant that it cannot have")
                made.__dict__[key] = value
            return made
        kind = type(name if name.isidentifier() and len(name) < 80 else "Module", (Mirror,), {})
        return kind(self._end, number)

    def copied(self, module: Any) -> nn.Module:
        """A copy of one's own module, for the other end."""
        if not isinstance(module, nn.Module):
            raise wire.Refused("a copy of no network")
        return copy.deepcopy(module)


_OWN = set(dir(nn.Module)) - {"training"}


def _name(key: Any) -> str:
    if not isinstance(key, str) or len(key) > 200 or key in _OWN:
        raise wire.Refused("a part of a network with an impossible name")
    return key
