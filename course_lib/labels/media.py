"""Clips as pictures: all frames in one still PNG for the widget, both clips of a pair in one animation elsewhere.

A browser decodes the sheet of frames once and draws frame by frame. Measured on Pong (25 frames of 160 x 210): two
clips on one clock show the same frame at every moment, which pairs of GIF or MP4 files do not, and the sheet is
smaller than either. Where no script can draw, in the plain labeller and in stored notebooks, one animated picture
shows both sides: two pictures side by side drift apart. Taught in lesson 04.
"""

import base64
import io
import math
import struct
import zlib
from html import escape

import numpy as np
from PIL import Image

from course_lib.labels.records import Item, Question


def sheet(frames: np.ndarray) -> tuple[bytes, int]:
    """All frames in a grid, row by row, as one PNG; returns the file and the number of columns.

    `frames`: (T, H, W, 3) uint8. Up to 256 colours (every Atari game) are stored as a palette, a third of the size.
    """
    count, height, width, _ = frames.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    indices, palette = indexed(frames)
    pixels = frames if palette is None else indices[..., None]                        # (T, H, W, 3 or 1)
    grid = np.zeros((rows * columns, height, width, pixels.shape[-1]), np.uint8)
    grid[:count] = pixels
    grid = grid.reshape(rows, columns, height, width, -1).swapaxes(1, 2)              # (rows, H, columns, W, channels)
    return png(grid.reshape(rows * height, columns * width, -1), palette), columns


def png(pixels: np.ndarray, palette: np.ndarray | None = None) -> bytes:
    """A PNG file. `pixels`: (H, W, 3) uint8, or (H, W, 1) of indices into `palette`, (colours, 3) uint8."""
    height, width, _ = pixels.shape
    scanlines = np.zeros((height, 1 + pixels[0].size), np.uint8)                      # a row starts with its filter
    scanlines[:, 1:] = pixels.reshape(height, -1)
    if palette is None:                                     # filter 2, "up": each row as its difference from the last
        scanlines[1:, 1:] -= scanlines[:-1, 1:].copy()
        scanlines[:, 0] = 2
    colour_type = 2 if palette is None else 3
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    colours = b"" if palette is None else _chunk(b"PLTE", palette.tobytes())
    return (b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + colours
            + _chunk(b"IDAT", zlib.compress(scanlines.tobytes(), 6)) + _chunk(b"IEND", b""))


def indexed(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Frames as indices into a palette, (T, H, W) and (colours, 3); the palette is None above 256 colours."""
    moving = (frames.max(axis=0) != frames.min(axis=0)).any(axis=-1)                  # (H, W)
    box = (slice(None), _extent(moving.any(axis=1)), _extent(moving.any(axis=0)))     # nothing changes outside it
    still, moved = _packed(frames[0]), _packed(frames[box])                           # (H, W), (T, h, w)
    seen = np.zeros(1 << 24, bool)
    seen[still], seen[moved] = True, True
    used = np.flatnonzero(seen)
    if len(used) > 256:
        return _packed(frames), None
    index_of = np.zeros(1 << 24, np.uint8)
    index_of[used] = np.arange(len(used))
    indices = np.repeat(index_of[still][None], len(frames), axis=0)                   # (T, H, W)
    indices[box] = index_of[moved]
    return indices, np.stack([used >> 16, used >> 8 & 255, used & 255], axis=1).astype(np.uint8)


def _extent(flags: np.ndarray) -> slice:
    """From the first True to the last."""
    places = np.flatnonzero(flags)
    return slice(places[0], places[-1] + 1) if len(places) else slice(0)


def _packed(pixels: np.ndarray) -> np.ndarray:
    """Colours as one number each: (..., 3) uint8 -> (...) uint32."""
    red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
    return red << 16 | green << 8 | blue


def hide(frames: np.ndarray, rows: slice, columns: slice = slice(None)) -> np.ndarray:
    """A copy with one area painted over, so that a score on the screen does not tell which clip is better.

    The colour is the most common one of the area. `frames`: (T, H, W, 3) uint8. For Pong: `rows=slice(0, 24)`.
    """
    covered = frames.copy()
    area = frames[:, rows, columns].reshape(-1, 3)
    colours, counts = np.unique(area, axis=0, return_counts=True)
    covered[:, rows, columns] = colours[counts.argmax()]
    return covered


def check_frames(frames: np.ndarray) -> np.ndarray:
    """The frames as (T, H, W, 3) uint8, or `ValueError` with a sentence."""
    frames = np.asarray(frames)
    if frames.dtype != np.uint8:
        raise ValueError(f"frames must be uint8 (0 to 255), these are {frames.dtype}: "
                         "use (frames * 255).astype('uint8') for values from 0 to 1")
    if frames.ndim == 3:                                                              # (T, H, W): grey
        frames = np.repeat(frames[..., None], 3, axis=-1)
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise ValueError(f"frames must have shape (T, height, width, 3), these have {frames.shape}")
    return frames


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


GAP = 12                                           # pixels between the sides
GREY = 128
COLOURS, STORED_FPS = 64, 12.5                     # of a stored animation, about: notebooks are kept in git


def frames(item: Item) -> np.ndarray:
    """The frames of a clip, unpacked from its sheet: (T, H, W, 3) uint8."""
    grid = np.asarray(Image.open(io.BytesIO(item.media)).convert("RGB"))
    height, width, columns, count = (int(item.info[name]) for name in ("height", "width", "columns", "frames"))
    rows = grid.shape[0] // height
    cells = grid.reshape(rows, height, columns, width, 3).swapaxes(1, 2)           # (rows, columns, H, W, 3)
    return cells.reshape(rows * columns, height, width, 3)[:count]


def animation(question: Question) -> bytes:
    """A question's clips next to each other as one looping PNG animation; shorter clips rest on their last frame."""
    clips = [frames(item) for item in question.shown]
    length = max(map(len, clips))
    height = max(clip.shape[1] for clip in clips)
    wide = sum(clip.shape[2] for clip in clips) + GAP * (len(clips) - 1)
    canvas = np.full((length, height, wide, 3), GREY, np.uint8)
    left = 0
    for clip in clips:
        held = clip[np.minimum(np.arange(length), len(clip) - 1)]
        canvas[:, :clip.shape[1], left:left + clip.shape[2]] = held
        left += clip.shape[2] + GAP
    fps = float(question.shown[0].info["fps"])
    every = max(1, round(fps / STORED_FPS))
    canvas = canvas[::every]
    palette = Image.fromarray(canvas[::4].reshape(-1, wide, 3)).quantize(COLOURS)
    pictures = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in canvas]
    file = io.BytesIO()
    pictures[0].save(file, "PNG", save_all=True, append_images=pictures[1:], loop=0, default_image=False,
                     duration=1000 * every / fps)
    return file.getvalue()


def side_by_side(question: Question) -> str:
    """A question's clips as an HTML image; nothing for texts, which are others' words and are not stored."""
    if question.shown[0].kind != "clip":
        return ""
    names = [f"Number {place + 1}" for place in range(len(question.shown))] if question.ranking else ["Left", "Right"]
    alt = ". ".join(f"{name} clip: {item.info['alt'] or str(item.info['frames']) + ' frames'}"
                    for name, item in zip(names, question.shown, strict=True))
    data = base64.b64encode(animation(question)).decode()
    return f'<img alt="{escape(alt, quote=True)}" style="max-width: 100%" src="data:image/png;base64,{data}">'
