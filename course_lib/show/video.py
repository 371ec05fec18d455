"""Short looping videos inside a notebook: an animated WebP of bounded size, with alternative text and a poster frame.

Who has asked the system for less motion sees the poster frame instead. Used from lesson 01 on.
"""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LAST_FRAME_MS = 1_000           # the last frame stays, so that one sees where the loop ends
MAX_BYTES = 300_000             # of the encoded video: notebooks are kept in git
QUALITY = 75                    # of the WebP, 0 to 100


def video(frames: Sequence[np.ndarray], alt: str, fps: float = 30, width: int = 320,
          max_bytes: int = MAX_BYTES) -> None:
    """Display `frames`, each (H, W, 3) uint8, as a looping video.

    alt: what happens in it, in a sentence or two. fps: frames a second of play; width: pixels. To stay under
    `max_bytes` the video is made coarser in time, then in space. Raises ValueError without frames, or when even a
    quarter of the width is too large.
    """
    from IPython.display import display

    display({"text/html": video_html(frames, alt, fps, width, max_bytes), "text/plain": alt}, raw=True)


def video_html(frames: Sequence[np.ndarray], alt: str, fps: float = 30, width: int = 320,
               max_bytes: int = MAX_BYTES) -> str:
    """`video` as HTML: the animation, and its middle frame as a poster for those who asked for less motion."""
    animation = encode(frames, fps, width, max_bytes)
    poster = encode([frames[len(frames) // 2]], fps, width, max_bytes)
    height = round(width * frames[0].shape[0] / frames[0].shape[1])
    return (f'<picture><source media="(prefers-reduced-motion: reduce)" srcset="{_data_url(poster)}">'
            f'<img alt="{html.escape(alt, quote=True)}" width="{width}" height="{height}" style="max-width:100%" '
            f'src="{_data_url(animation)}"></picture>')


def encode(frames: Sequence[np.ndarray], fps: float, width: int, max_bytes: int = MAX_BYTES) -> bytes:
    """An animated WebP of at most `max_bytes`, looping for ever. Takes fewer frames, then fewer pixels, as it must."""
    if not len(frames):
        raise ValueError("There are no frames to show. Was the environment made with render_mode='rgb_array'?")
    for every, share in ((1, 1.0), (2, 1.0), (3, 1.0), (3, 0.7), (4, 0.5), (6, 0.35), (8, 0.25)):
        pictures = [_resized(frame, round(width * share)) for frame in frames[::every]]
        milliseconds = [round(1000 * every / fps)] * (len(pictures) - 1) + [LAST_FRAME_MS]
        file = io.BytesIO()
        pictures[0].save(file, "WEBP", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0,
                         quality=QUALITY, method=2)
        if file.tell() <= max_bytes:
            return file.getvalue()
    raise ValueError(f"{len(frames)} frames do not fit into {max_bytes:,} bytes. Show fewer of them: frames[:300].")


def side_by_side(clips: Sequence[Sequence[np.ndarray]], labels: Sequence[str]) -> list[np.ndarray]:
    """One clip from several of equal height, next to each other, a label above each; the short ones wait at their end.

    clips: lists of (H, W, 3) uint8 frames. Returns frames (H + 24, sum of the widths and gaps, 3).
    """
    gap = np.full((clips[0][0].shape[0] + 24, 8, 3), 255, dtype=np.uint8)
    headed = [[_with_label(frame, label) for frame in clip] for clip, label in zip(clips, labels, strict=True)]
    together = []
    for t in range(max(map(len, headed))):
        row = []
        for clip in headed:
            row += [clip[min(t, len(clip) - 1)], gap]
        together.append(np.concatenate(row[:-1], axis=1))
    return together


def _with_label(frame: np.ndarray, label: str) -> np.ndarray:
    image = Image.new("RGB", (frame.shape[1], frame.shape[0] + 24), "white")
    image.paste(Image.fromarray(frame), (0, 24))
    ImageDraw.Draw(image).text((4, 3), label, fill="black", font=ImageFont.load_default(15))
    return np.asarray(image)


def _resized(frame: np.ndarray, width: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(frame))
    return image.resize((width, max(1, round(width * image.height / image.width))), Image.Resampling.LANCZOS)


def _data_url(content: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(content).decode()
