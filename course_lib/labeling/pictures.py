"""Both clips of a pair in one animated picture, for places where nothing can be drawn by a script.

Two pictures side by side drift apart; one picture cannot. Used by the plain labeller and in stored notebooks.
"""

import base64
import io
from html import escape

import numpy as np
from PIL import Image

from course_lib.preferences.records import Item, Question

GAP = 12                                           # pixels between the sides
GREY = 128


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
    pictures = [Image.fromarray(frame) for frame in canvas]
    file = io.BytesIO()
    pictures[0].save(file, "PNG", save_all=True, append_images=pictures[1:], loop=0, default_image=False,
                     duration=1000 / float(question.shown[0].info["fps"]))
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
