"""Two processes that call each other's functions as if they were their own: one end of the channel.

One end is in the grader, the other in the process that runs a student's code; both speak in turn. Values cross as
copies (`wire`), with torch's and numpy's random states, so that code draws the same numbers on either side. What is no
value stays where it is: the other end gets a `Remote` for it, or a mirror of a network (`mirrors`). Gradients flow
through (`gradients`). What the other end may ask of one's own objects is for `Door` to say: the student's end opens
everything, the grader's end only what an exercise hands over (`handed_out`).

Nothing of one exercise's case outlives it: `forget` drops every handle.
"""

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, Protocol

import torch
from torch import nn

from course_lib.classroom import copies, gradients, wire
from course_lib.classroom.mirrors import Mirrors
from course_lib.classroom.remote import Remote, Steps, kind_of
from course_lib.exercises import guard

HANDLES = 200_000           # objects of one end that the other holds


class Channel(Protocol):
    """Carries frames."""

    def send(self, frame: bytes) -> None:
        """Send a whole frame."""

    def receive(self) -> memoryview:
        """The next frame, without its length."""

    def lose(self, how: str) -> None:
        """Send and receive no more: the other end speaks no longer as it should. May raise."""


class Gone(Exception):
    """The other process has ended, or speaks no longer as it should. The text says how."""


class Door(Protocol):
    """What one end lets the other do."""

    def write(self, end: "End", value: Any, writer: wire.Writer) -> Any:
        """The tree of a value that is neither plain nor a network; `end.handle(value)` makes a handle."""

    def read(self, tree: list[Any], reader: wire.Reader) -> Any:
        """The value of a tree with a tag of its own; raises `wire.Refused`."""

    def attribute(self, value: Any, name: str) -> Any:
        """An attribute that the other end asks for; raises AttributeError."""

    def method(self, value: Any, name: str) -> Callable[..., Any]:
        """A method of an object, or the object itself (`__call__`), that the other end calls; raises AttributeError."""

    def told(self, error: BaseException) -> dict[str, str]:
        """What the other end hears of an exception; raises it again where it must not."""

    def as_error(self, told: dict[str, str]) -> BaseException:
        """The exception of what the other end told."""


class End:
    """One end. `serve` answers until the other end leaves; `ask` and `call` ask it."""

    def __init__(self, channel: Channel, door: Door, *, leads: bool,
                 further: dict[str, Callable[..., Any]] | None = None) -> None:
        """`leads` at the grader's end: its numbers of objects are even, the student's odd; its random states count.

        further: what the other end may ask for besides: name -> function.
        """
        self._channel, self._door, self._leads = channel, door, leads
        self.first = 0 if leads else 1
        self.wire_bytes = 0
        self._asked = 0
        self.watched = False                        # whether the other end wants to hear of steps of optimizers
        self._further = further or {}
        self.forget()
        self._random: list[Any] = [None] * len(copies.RANDOM)

    def forget(self) -> None:
        """Drop all handles, mirrors and graphs."""
        self._own: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._others: weakref.WeakValueDictionary[int, Remote] = weakref.WeakValueDictionary()
        self._next = self.first
        self.freed: list[tuple[str, int]] = []
        self.graphs = gradients.Graphs()
        self.mirrors = Mirrors(self)

    # ---------------------------------------------------------------------------------------------- asking

    def call(self, of: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a method of an object of the other end. What it writes into the arguments is written into them here."""
        changed, value = self._request("call", (of, method, args, kwargs))
        if changed is not None:
            copies.write_back((args, kwargs), changed)
        return value

    def ask(self, what: str, *about: Any) -> Any:
        """Anything else: `get`, `set`, `iter`, `next`, `len`, `item`, `copy`, `backward`, what `serve` was given."""
        return self._request(what, about)

    def _request(self, what: str, about: Any) -> Any:
        self._asked += 1
        number = self._asked
        sent = self._send({"do": what, "n": number, "about": about, "grad": torch.is_grad_enabled(),
                           "watch": gradients.somebody_watches()})
        return self._until_answer(number, sent)

    def _until_answer(self, number: int, asked: list[torch.Tensor]) -> Any:
        while True:
            message, sent = self._receive(asked)
            if "do" in message:
                self._answer(message, sent)
            elif message.get("n") != number:
                self._lost("an answer to what was not asked")
            elif isinstance(message.get("error"), dict):
                raise self._door.as_error(message["error"])
            else:
                return message.get("value")

    def _lost(self, how: str) -> NoReturn:
        self._channel.lose(how)
        raise Gone(how)

    # ---------------------------------------------------------------------------------------------- answering

    def serve(self, further: dict[str, Callable[..., Any]]) -> None:
        """Answer until the channel ends. `further` are requests of this end's own: name -> function."""
        self._further = further
        while True:
            message, sent = self._receive([])
            self._answer(message, sent)

    def _answer(self, message: dict[str, Any], sent: list[torch.Tensor]) -> None:
        """Do what is asked, and send the value or what went wrong."""
        what, about, number = message["do"], message.get("about"), message.get("n")
        if not isinstance(what, str) or not isinstance(about, tuple) or type(number) is not int:
            self._lost("a request that is none")
        self.watched = message.get("watch") is True
        try:
            with torch.set_grad_enabled(message.get("grad") is not False):
                value = self._done(what, about)
        except Gone:
            raise
        except wire.Refused as error:
            self._lost(str(error))
        except BaseException as error:
            self._send({"n": number, "error": self._door.told(error)})
            return
        try:
            self._send({"n": number, "value": value}, sent)
        except wire.Refused as error:
            self._send({"n": number, "error": {
                "type": "ValueError", "base": "ValueError", "text": f"what came back cannot be handed over: {error}"}})

    def _done(self, what: str, about: tuple[Any, ...]) -> Any:
        door = self._door
        match what, about:
            case "call", (of, str(method), tuple(args), dict(kwargs)):
                with torch.no_grad():
                    before = guard.copy((args, kwargs), {})
                states = [one.get_state() for one in copies.generators((args, kwargs))]
                value = door.method(of, method)(*args, **kwargs)
                drew = any(not torch.equal(state, one.get_state())
                           for state, one in zip(states, copies.generators((args, kwargs)), strict=False))
                changed = None if not drew and copies.same(before, (args, kwargs)) else (args, kwargs)
                return changed, value
            case "get", (of, str(name)):
                return door.attribute(of, name)
            case "set", (of, str(name), value):
                door.method(of, "__setattr__")
                setattr(of, name, value)
                return None
            case "iter", (of,):
                return Steps(iter(door.method(of, "__iter__")()))
            case "next", (steps,) if isinstance(steps, Steps):
                return steps.next()
            case "len", (of,):
                return int(door.method(of, "__len__")())
            case "item", (of, key):
                return door.method(of, "__getitem__")(key)
            case "copy", (of,):
                return self.mirrors.copied(of)
            case "backward", (int(graph), list(parameters), list(slopes)):
                return self.graphs.backward(graph, parameters, slopes)
            case "step", (optimizer, list(groups)):
                return gradients.tell_watchers(optimizer, groups)
            case _ if what in self._further:
                return self._further[what](*about)
        raise wire.Refused("a request that is none")

    # ---------------------------------------------------------------------------------------------- frames

    def _send(self, message: dict[str, Any], leaves: list[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """Send a message; returns its tensors with a gradient, which are listed so that it can find its way back.

        leaves: of an answer: the tensors with a gradient that came with the question.
        """
        slopes: list[torch.Tensor] = []
        writer = wire.Writer(lambda value, w: self._special(value, w, slopes))
        body = {key: writer.write(value) for key, value in message.items()}
        head: dict[str, Any] = {"body": body, "random": self._random_states(writer), "freed": self._take_freed(),
                                "sync": self.mirrors.changes(writer), "slopes": [writer.tensor(one) for one in slopes]}
        if leaves is not None and slopes:
            head["graph"] = self.graphs.keep(slopes, leaves)
        self._channel.send(wire.pack(head, writer.parts))
        return slopes

    def _receive(self, asked: list[torch.Tensor]) -> tuple[dict[str, Any], list[torch.Tensor]]:
        """The next message, and its tensors with a gradient. `asked`: those of the question that it may answer.

        Raises:
            Gone: it is no message; nothing more is received.
        """
        frame = self._channel.receive()
        self.wire_bytes += len(frame)
        try:
            return self._message(frame, asked)
        except (wire.Refused, TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError,
                RecursionError,
                RuntimeError) as error:
            refused = isinstance(error, wire.Refused)
            self._lost(str(error) if refused else f"a message that is none ({type(error).__name__})")

    def _message(self, frame: memoryview,
                 asked: list[torch.Tensor]) -> tuple[dict[str, Any], list[torch.Tensor]]:
        head, parts = wire.unpack(frame)
        slopes: list[torch.Tensor] = []
        reader = wire.Reader(parts, lambda tree, r: self._read_special(tree, r, slopes))
        for kind, number in wire.pairs(head["freed"]):
            if kind == "graph":
                self.graphs.drop(number)
            else:
                self._drop(number)
        self.mirrors.take(wire.pairs(head["sync"]), reader)
        raws = [reader.read(tree) for tree in head["slopes"]]
        if any(not raw.dtype.is_floating_point | raw.dtype.is_complex for raw in raws):
            raise wire.Refused("a gradient of no number")
        if "do" in head["body"]:
            slopes += [raw.requires_grad_() for raw in raws]
        elif raws:
            slopes += gradients.across(self, head["graph"], raws, asked)
        body = {key: reader.read(tree) for key, tree in head["body"].items()}
        self._take_random(wire.pairs(head["random"]), reader)
        return body, slopes

    def _random_states(self, writer: wire.Writer) -> list[Any]:
        """Random states that have changed: the grader's end sends them whole, the student's end only says so."""
        found = []
        for place, (get, _, _) in enumerate(copies.RANDOM):
            state = get()
            if not copies.equal(state, self._random[place]):
                self._random[place] = state
                found.append([place, writer.write(state) if self._leads else None])
        return found

    def _take_random(self, states: list[list[Any]], reader: wire.Reader) -> None:
        """Draw on as the grader does; at the grader's end, step on where the student's code has drawn."""
        for place, state in states:
            if type(place) is not int or not 0 <= place < len(copies.RANDOM):
                raise wire.Refused("a random state of nothing")
            get, put, draw = copies.RANDOM[place]
            if self._leads:
                draw()
            else:
                put(reader.read(state))
            self._random[place] = get()

    def _take_freed(self) -> list[Any]:
        freed = [list(pair) for pair in self.freed]
        self.freed.clear()                          # the list itself stays: those that will be freed write into it
        return freed

    # ---------------------------------------------------------------------------------------------- objects

    def _special(self, value: Any, writer: wire.Writer, slopes: list[torch.Tensor]) -> Any:
        if isinstance(value, Remote) and value._end is self:
            return ["yours", value._number]
        if isinstance(value, torch.Tensor):
            number = self.mirrors.parameter(value)
            if number is not None:
                return ["parameter", number]
            if type(value) is nn.Parameter:
                return ["parameter", self.mirrors.share(value)]
            if type(value) is not torch.Tensor:
                return self._door.write(self, value, writer)
            if value.requires_grad and value.dtype.is_floating_point | value.dtype.is_complex:
                place = next((i for i, one in enumerate(slopes) if one is value), len(slopes))
                if place == len(slopes):
                    slopes.append(value)
                return ["slope", place]
            return writer.tensor(value)
        if isinstance(value, torch.Generator) and value.device.type == "cpu":
            return ["generator", writer.tensor(value.get_state())]
        if isinstance(value, nn.Module):
            return self.mirrors.write(value, writer)
        return self._door.write(self, value, writer)

    def _read_special(self, tree: list[Any], reader: wire.Reader, slopes: list[torch.Tensor]) -> Any:
        match tree:
            case ["yours", int(number)]:
                if number not in self._own:
                    raise wire.Refused("an object that was never handed out")
                return self._own[number]
            case ["theirs", int(number), str(name), bool(callable_)]:
                return self._remote(number, name, callable_)
            case ["slope", int(place)]:
                return slopes[place]
            case ["generator", state]:
                made = torch.Generator()
                made.set_state(reader.read(state))
                return made
            case ["parameter", int(number)]:
                return self.mirrors.get(number)
            case ["module", *_]:
                return self.mirrors.read(tree, reader)
        return self._door.read(tree, reader)

    def handle(self, value: Any) -> Any:
        """The tree of an object that stays here."""
        number = self._numbers.get(id(value))
        if number is None:
            if len(self._own) >= HANDLES:
                raise wire.Refused("more objects than can be kept track of")
            number, self._next = self._next, self._next + 2
            self._own[number], self._numbers[id(value)] = value, number
        return ["theirs", number, type(value).__name__, callable(value)]

    def _remote(self, number: int, name: str, callable_: bool) -> Remote:
        found = self._others.get(number)
        if found is None:
            found = self._others[number] = kind_of(name, callable_)(self, number)
            with suppress(ValueError):
                self.freed.remove(("object", number))       # it was dropped, and has come again
            weakref.finalize(found, self.freed.append, ("object", number))
        return found

    def _drop(self, number: int) -> None:
        value = self._own.pop(number, None)
        if value is not None:
            self._numbers.pop(id(value), None)
