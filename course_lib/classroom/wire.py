"""What crosses between the grader and a student's process: frames of plain data, read without trusting the sender.

A frame is a JSON tree and a list of binary parts (the contents of tensors and arrays). In the tree a number, a text,
True, False and None stand for themselves; everything else is a list that begins with a tag. Nothing here builds an
object of a class that the sender names: the worst that a hostile frame can do is to be refused (`Refused`).
"""

import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

MOST = 256 * 1024 * 1024        # bytes of a frame
HEAD = 16 * 1024 * 1024         # bytes of its JSON tree: what is read of it takes up to thirty times as much
PARTS = 100_000                 # binary parts of a frame
DEEP = 40                       # containers inside containers

DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in (
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
    torch.float32, torch.float64, torch.complex64, torch.complex128)}
ARRAYS = {np.dtype(name).str for name in (
    "?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16")}


class Refused(Exception):
    """A value that cannot cross, or a frame that is not one."""


Special = Callable[[Any, "Writer"], Any]        # writes what is not plain; returns a tagged list


class Writer:
    """Writes values into one frame.

    Attributes:
        parts: the binary parts so far.
    """

    def __init__(self, special: Special) -> None:
        self.parts: list[bytes] = []
        self._special = special
        self._depth = 0

    def write(self, value: Any) -> Any:
        """The tree of a value.

        Raises:
            Refused: it is nested too deeply, or too large.
        """
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is float:
            return value
        if kind is int:
            if value.bit_length() > 4096:
                raise Refused("a whole number with more than 1,200 digits")
            return value
        self._depth += 1
        if self._depth > DEEP:
            raise Refused("a value that is nested more than 40 times")
        try:
            return self._composite(value, kind)
        finally:
            self._depth -= 1

    def _composite(self, value: Any, kind: type) -> Any:
        if kind is list or kind is tuple or kind is set or kind is frozenset:
            return [kind.__name__, [self.write(item) for item in value]]
        if kind is dict:
            return ["dict", [[self.write(key), self.write(item)] for key, item in value.items()]]
        if value is Ellipsis:
            return ["..."]
        if kind is bytes:
            return ["bytes", self._part(value)]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if kind is range or kind is slice:
            return [kind.__name__, self.write((value.start, value.stop, value.step))]
        if kind is torch.dtype:
            return ["dtype", str(value).removeprefix("torch.")]
        if kind is torch.device:
            return ["device", str(value)]
        if kind is torch.Size:
            return ["Size", list(value)]
        if kind is np.ndarray and value.dtype.str in ARRAYS:
            return self.array(value)
        if isinstance(value, np.generic) and value.dtype.str in ARRAYS:
            return ["scalar", self.array(np.asarray(value))]
        return self._special(value, self)

    def tensor(self, value: torch.Tensor) -> Any:
        """The tree of a tensor's values; dense ones keep the order in which their dimensions lie in memory."""
        value = value.detach()
        if value.layout != torch.strided or str(value.dtype).removeprefix("torch.") not in DTYPES:
            raise Refused(f"a tensor of {value.dtype} and layout {value.layout}")
        value = value.cpu().resolve_conj().resolve_neg()
        order = sorted(range(value.ndim), key=lambda dim: -value.stride(dim))       # stable
        flat = value.permute(order).contiguous()
        name = str(value.dtype).removeprefix("torch.")
        return ["tensor", self._part(flat.view(-1).view(torch.uint8).numpy().tobytes() if flat.numel() else b""), name,
                list(flat.shape), order]

    def array(self, value: np.ndarray) -> Any:
        """The tree of an array of numbers."""
        fortran = value.flags.f_contiguous and not value.flags.c_contiguous
        return ["array", self._part((value.T if fortran else value).tobytes()), value.dtype.str, list(value.shape),
                fortran]

    def _part(self, content: bytes) -> int:
        if len(self.parts) >= PARTS:
            raise Refused("a value with more than 100,000 tensors")
        self.parts.append(content)
        return len(self.parts) - 1


class Reader:
    """Reads values from one frame. `special` reads the tags that are not plain."""

    def __init__(self, parts: list[bytearray], special: Callable[[list[Any], "Reader"], Any]) -> None:
        self._parts = parts
        self._special = special

    def read(self, tree: Any) -> Any:
        """The value of a tree.

        Raises:
            Refused: it is no tree.
        """
        if not isinstance(tree, list):
            if isinstance(tree, dict):
                raise Refused("a tree with an object in it")
            return tree
        try:
            return self._tagged(tree)
        except Refused:
            raise
        except (TypeError, ValueError, KeyError, IndexError, OverflowError, RuntimeError, RecursionError) as error:
            raise Refused(f"a value that cannot be read ({type(error).__name__})") from error

    def _tagged(self, tree: list[Any]) -> Any:
        match tree:
            case ["list", list(items)]:
                return [self.read(item) for item in items]
            case ["tuple", list(items)]:
                return tuple(self.read(item) for item in items)
            case ["set" | "frozenset" as kind, list(items)]:
                return {"set": set, "frozenset": frozenset}[kind](self.read(item) for item in items)
            case ["dict", list(pairs)]:
                return {self.read(key): self.read(item) for key, item in pairs}
            case ["..."]:
                return ...
            case ["bytes", int(part)]:
                return bytes(self._part(part))
            case ["complex", int() | float() as real, int() | float() as imaginary]:
                return complex(real, imaginary)
            case ["range" | "slice" as kind, bounds]:
                return {"range": range, "slice": slice}[kind](*self.read(bounds))
            case ["dtype", str(name)]:
                return DTYPES[name]
            case ["device", str(name)]:
                return torch.device(name)
            case ["Size", list(shape)]:
                return torch.Size(_shape(shape))
            case ["tensor", int(part), str(name), list(shape), list(order)]:
                return self._tensor(part, name, _shape(shape), order)
            case ["array", int(part), str(name), list(shape), bool(fortran)]:
                return self._array(part, name, _shape(shape), fortran)
            case ["scalar", list(array)]:
                return self.read(array)[()]
        return self._special(tree, self)

    def _tensor(self, part: int, name: str, shape: list[int], order: list[Any]) -> torch.Tensor:
        content, dtype = self._part(part), DTYPES[name]
        if sorted(order) != list(range(len(shape))):
            raise Refused("a tensor with an impossible order")
        if len(content) != math.prod(shape) * dtype.itemsize:
            raise Refused("a tensor whose values are missing")
        if not content:
            flat = torch.zeros(shape, dtype=dtype)
        elif dtype == torch.bool:
            flat = torch.frombuffer(content, dtype=torch.uint8).ne(0).reshape(shape)
        else:
            flat = torch.frombuffer(content, dtype=dtype).reshape(shape)
        return flat.permute([order.index(dim) for dim in range(len(shape))])

    def _array(self, part: int, name: str, shape: list[int], fortran: bool) -> np.ndarray:
        content = self._part(part)
        if name not in ARRAYS:
            raise Refused("an array of an unknown kind")
        if name == np.dtype("?").str:
            flat = np.frombuffer(content, dtype=np.uint8) != 0
        else:
            flat = np.frombuffer(content, dtype=name)
        return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)

    def _part(self, number: int) -> bytearray:
        if isinstance(number, bool) or not 0 <= number < len(self._parts):
            raise Refused("a part that is not there")
        return self._parts[number]


def _shape(shape: list[Any]) -> list[int]:
    if len(shape) > 32 or any(type(n) is not int or n < 0 for n in shape):
        raise Refused("an impossible shape")
    return shape


def pack(tree: Any, parts: list[bytes]) -> bytes:
    """A frame.

    Raises:
        Refused: it is larger than `MOST`.
    """
    head = json.dumps(tree, separators=(",", ":")).encode()
    size = 8 + 8 * len(parts) + len(head) + sum(map(len, parts))
    if size > MOST or len(head) > HEAD:
        raise Refused(f"a value of {size / 1e6:.0f} MB; at most {MOST // 1024**2} MB can be handed over, and "
                      f"{HEAD // 1024**2} MB of what is neither tensor nor array")
    lengths = struct.pack(f"<II{len(parts)}Q", len(head), len(parts), *map(len, parts))
    return b"".join((struct.pack("<Q", size), lengths, head, *parts))


def unpack(frame: memoryview) -> tuple[Any, list[bytearray]]:
    """(tree, parts) of a frame without its leading length.

    Raises:
        Refused: it is no frame.
    """
    try:
        head, count = struct.unpack_from("<II", frame)
        if count > PARTS:
            raise Refused("a frame with too many parts")
        if head > HEAD:
            raise Refused("a frame whose tree is too long")
        lengths = struct.unpack_from(f"<{count}Q", frame, 8)
        start = 8 + 8 * count
        if start + head + sum(lengths) != len(frame):
            raise Refused("a frame whose lengths are wrong")
        tree = json.loads(bytes(frame[start:start + head]))
        parts, at = [], start + head
        for length in lengths:
            parts.append(bytearray(frame[at:at + length]))
            at += length
        return tree, parts
    except (struct.error, ValueError, RecursionError, MemoryError) as error:
        raise Refused(f"a frame that cannot be read ({type(error).__name__})") from error


def pairs(value: Any) -> list[list[Any]]:
    """A value that must be a list of pairs; raises `Refused` where it is none."""
    if not isinstance(value, list) or any(not isinstance(pair, list) or len(pair) != 2 for pair in value):
        raise Refused("a message without its pairs")
    return value
