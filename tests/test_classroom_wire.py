"""What crosses the channel: values as they were, and nothing that was not sent as one."""

import random
import struct

import numpy as np
import pytest
import torch

from course_lib.classroom import wire


def there_and_back(value):
    """A value after its way through a frame."""
    def refuse(one, *_):
        raise wire.Refused(f"{type(one).__name__}")

    def special(one, writer):
        return writer.tensor(one) if type(one) is torch.Tensor else refuse(one)

    writer = wire.Writer(special)
    tree = writer.write(value)
    frame = wire.pack({"value": tree}, writer.parts)
    assert struct.unpack("<Q", frame[:8])[0] == len(frame) - 8
    tree, parts = wire.unpack(memoryview(frame)[8:])
    return wire.Reader(parts, refuse).read(tree["value"])


VALUES = [
    None, True, 3, -(2**200), 0.1, float("inf"), "ü\n\0", b"\0\xff", 2j, ..., [1, (2, {3}), {4: [5]}], frozenset({1}),
    range(2, 9, 3), slice(None, 4), torch.float16, torch.Size([2, 3]), np.float32(0.1), np.bool_(True),
    {1: {"a": None}}, [], (), {},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_come_back_as_they_were(value):
    back = there_and_back(value)
    assert back == value and type(back) is type(value)


def test_numbers_that_are_none_come_back():
    assert np.isnan(there_and_back(float("nan"))) and there_and_back(-0.0).hex() == "-0x0.0p+0"


@pytest.mark.parametrize("dtype", wire.DTYPES.values(), ids=wire.DTYPES)
def test_tensors_of_every_kind_shape_and_layout(dtype):
    for shape in ((), (0,), (3,), (2, 0, 3), (2, 3, 4)):
        made = torch.randint(2, shape).to(dtype)
        back = there_and_back(made)
        assert back.dtype == dtype and torch.equal(back, made) and back.stride() == made.stride()
    turned = torch.arange(24).reshape(2, 3, 4).to(dtype).permute(2, 0, 1)
    back = there_and_back(turned)
    assert torch.equal(back, turned) and not back.is_contiguous() and back.stride() == turned.stride()
    assert torch.equal(there_and_back(turned[:, :1].expand(4, 5, 3)), turned[:, :1].expand(4, 5, 3))


@pytest.mark.parametrize("name", sorted(wire.ARRAYS))
def test_arrays_of_every_kind_and_layout(name):
    for made in (np.arange(24).reshape(2, 3, 4).astype(name),
                 np.asfortranarray(np.arange(6).reshape(2, 3).astype(name)),
                 np.zeros((), name), np.zeros((0, 3), name), np.arange(9).astype(name)[::2]):
        back = there_and_back(made)
        assert back.dtype == made.dtype and back.shape == made.shape and (back == made).all()
        back[...] = 0                                   # what comes back can be written into


@pytest.mark.parametrize("value", [object(), np.array([object()]), np.array(["a"]), torch.zeros(2).to_sparse(), print])
def test_what_is_no_value_is_refused(value):
    with pytest.raises(wire.Refused):
        there_and_back(value)


def test_what_is_too_deep_or_too_large_is_refused(monkeypatch):
    deep = []
    for _ in range(100):
        deep = [deep]
    monkeypatch.setattr(wire, "MOST", 1000)
    for value in (deep, "x" * 2000, 10**5000):
        with pytest.raises(wire.Refused):
            there_and_back(value)


@pytest.mark.parametrize("tree", [
    ["list"], ["list", 3], ["what", 1], ["tensor", 0, "float32", [3], [0]], ["tensor", 0, "float32", [2], [1]],
    ["tensor", 0, "float32", [-2], [0]], ["tensor", 0, "float32", [2**62, 4], [0, 1]],
    ["tensor", 9, "float32", [2], [0]],
    ["tensor", 0, "object", [2], [0]], ["array", 0, "|O", [1], False], ["array", 0, "<f4", [3], False],
    ["array", 0, "<M8[s]", [1], False], ["scalar", ["bytes", 0]], ["dict", [[["list", []], 1]]],
    ["set", [["list", []]]],
    ["Size", [-1]], ["Size", [True]], ["dtype", "int7"], ["device", "nowhere"], ["range", ["tuple", [1, 2, 0]]],
    [[], []], {"a": 1},
    ["bytes", True], ["tensor", 0, "float32", [1] * 40, list(range(40))]])
def test_trees_that_nobody_wrote_are_refused(tree):
    def refuse(*_):
        raise wire.Refused("unknown")

    with pytest.raises(wire.Refused):
        wire.Reader([bytearray(8)], refuse).read(tree)


def test_truth_values_of_other_bits_are_still_truth_values():
    made = wire.Reader([bytearray(b"\0\x07\x02")], None).read(["tensor", 0, "bool", [3], [0]])
    assert made.tolist() == [False, True, True] and made.sum() == 2
    made = wire.Reader([bytearray(b"\0\x07")], None).read(["array", 0, "|b1", [2], False])
    assert made.view(np.uint8).tolist() == [0, 1]


def test_frames_of_random_bytes_are_refused():
    rng = random.Random(0)
    whole = wire.pack({"body": {}}, [b"abc"])[8:]
    for _ in range(2000):
        frame = bytearray(whole if rng.random() < 0.5 else rng.randbytes(rng.randint(0, 60)))
        for _ in range(rng.randint(1, 4)):
            if frame:
                frame[rng.randrange(len(frame))] = rng.randrange(256)
        try:
            wire.unpack(memoryview(bytes(frame)))
        except wire.Refused:
            continue
