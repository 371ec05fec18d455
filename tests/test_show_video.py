"""Videos: looping, within their size, readable without seeing or moving."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from course_lib.rl.cartpole import render
from course_lib.show.video import encode, side_by_side, video_html

FRAMES = [render(np.array([x, 0.0, 0.1 * x, 0.0]), 200, 100) for x in np.linspace(-1, 1, 30)]


def test_a_video_loops_shows_every_frame_and_waits_at_the_end():
    animation = Image.open(io.BytesIO(encode(FRAMES, fps=25, width=200)))
    assert (animation.format, animation.n_frames, animation.info["loop"], animation.size) == ("WEBP", 30, 0, (200, 100))
    durations = []
    for n in range(30):
        animation.seek(n)
        animation.load()
        durations.append(animation.info["duration"])
    assert set(durations[:-1]) == {40} and durations[-1] == 1_000
    assert np.abs(np.asarray(animation.convert("RGB"), int) - FRAMES[-1]).mean() < 3, "the last picture is another one"


def test_noise_is_made_coarser_until_it_fits_and_plays_as_long():
    noise = list(np.random.default_rng(0).integers(0, 255, (90, 120, 160, 3), dtype=np.uint8))
    small = encode(noise, fps=30, width=160, max_bytes=60_000)
    assert len(small) <= 60_000
    animation = Image.open(io.BytesIO(small))
    assert animation.n_frames < 90
    lasted = 0
    for n in range(animation.n_frames - 1):
        animation.seek(n)
        animation.load()
        lasted += animation.info["duration"]
    assert lasted == pytest.approx(90 / 30 * 1000, rel=0.15)
    with pytest.raises(ValueError, match="Show fewer"):
        encode(noise, fps=30, width=160, max_bytes=500)


def test_no_frames_is_said_in_words():
    with pytest.raises(ValueError, match="render_mode"):
        encode([], fps=30, width=100)


def test_the_html_has_an_alternative_text_and_a_poster_for_less_motion():
    page = video_html(FRAMES, 'The pole "falls" <right>', fps=25, width=200)
    assert 'alt="The pole &quot;falls&quot; &lt;right&gt;"' in page and 'height="100"' in page
    poster = re.search(r'prefers-reduced-motion: reduce\)" srcset="data:image/webp;base64,([^"]+)"', page).group(1)
    assert getattr(Image.open(io.BytesIO(base64.b64decode(poster))), "n_frames", 1) == 1


def test_side_by_side_waits_for_the_longer_clip():
    together = side_by_side([FRAMES, FRAMES[:10]], ["before", "after"])
    assert len(together) == 30 and together[0].shape == (124, 408, 3)
    np.testing.assert_array_equal(together[29][24:, 208:], FRAMES[9])
    np.testing.assert_array_equal(together[29][24:, :200], FRAMES[29])
    assert together[0][:24, :200].min() < 100 and together[0][:24, 208:].min() < 100, "a label is missing"
