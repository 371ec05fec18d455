"""The film that the README opens with, made from the real thing: `.venv/bin/python tools/readme_picture.py`.

Left: a JupyterLab in Chromium shows the labeller with two clips of a hopper that has only explored. Right: the hopper
that ships, taught by 100 labels (lesson 05), from standing. Takes about a minute.
"""

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser import FLAGS, Lab, find_chromium, run_cell, wait_for_notebook, write_notebook  # noqa: E402

from course_lib.hopper.shipped import FROM_LABELS, load_shipped  # noqa: E402
from course_lib.hopper.task import film, perform  # noqa: E402

TARGET = ROOT / "assets" / "pictures" / "label_and_flip.webp"
HEIGHT = 420                        # pixels of the finished film
PICTURES, MILLISECONDS = 40, 100    # 4 seconds
STATES = MILLISECONDS // 20         # that the hopper meets between two pictures

CELL = """
from pathlib import Path
from course_lib.hopper.task import HopperTask
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.loop import PreferenceLoop

loop = PreferenceLoop(HopperTask(), PreferenceStore(Path("labels.sqlite")), Path("loop"), run="backflip")
loop.collect()
labeler = loop.labeler()
labeler
"""


def labeller() -> list[Image.Image]:
    """The labeller in a notebook cell, as a person sees it, its clips playing."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_notebook(Path(folder) / "label.ipynb", CELL.strip())
        with Lab(Path(folder), COURSE_WORK=folder) as lab:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
            page = browser.new_page(viewport={"width": 1000, "height": 1100})
            page.goto(lab.url("label.ipynb"))
            wait_for_notebook(page)
            run_cell(page, 0)
            page.wait_for_selector("canvas", timeout=240_000)
            page.wait_for_timeout(1_500)
            place = page.locator(".jp-OutputArea-output", has=page.locator("canvas")).first.bounding_box()
            pictures = []
            for _ in range(PICTURES):
                pictures.append(Image.open(io.BytesIO(page.screenshot(clip=place))).convert("RGB"))
                page.wait_for_timeout(MILLISECONDS // 2)
            browser.close()
    return [picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS)
            for picture in pictures]


def flip() -> list[Image.Image]:
    """The shipped hopper in real time, with a line that says what it learned from."""
    states = perform(load_shipped(FROM_LABELS["backflip"]).agent).states[:, 0]
    pictures = []
    for frame in film(states, HEIGHT - 30, every=STATES)[:PICTURES]:
        picture = Image.new("RGB", (HEIGHT - 30, HEIGHT), "white")
        picture.paste(Image.fromarray(frame), (0, 30))
        ImageDraw.Draw(picture).text((8, 5), "after 100 labels", fill="black", font=ImageFont.load_default(18))
        pictures.append(picture)
    return pictures


def main() -> None:
    """Put the two side by side."""
    together = [Image.fromarray(np.concatenate([np.asarray(left), np.asarray(right)], axis=1))
                for left, right in zip(labeller(), flip(), strict=True)]
    together[0].save(TARGET, "WEBP", save_all=True, append_images=together[1:], duration=MILLISECONDS, loop=0,
                     quality=60, method=4)
    print(f"{TARGET.relative_to(ROOT)}: {together[0].width} x {together[0].height}, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
