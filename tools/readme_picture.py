"""The README's picture, made from the real thing: `.venv/bin/python tools/readme_picture.py`.

Left: a JupyterLab in Chromium shows the labeller with two clips of an agent that has learned for a while. Right: the
curve of lesson 03, fitted again. Takes about two minutes.
"""

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser import FLAGS, Lab, find_chromium, run_cell, wait_for_notebook, write_notebook  # noqa: E402

from course_lib.preferences.evaluation import human_ceiling, learning_curve, pair_accuracy  # noqa: E402
from course_lib.preferences.human_ratings import evaluation_comparisons  # noqa: E402
from course_lib.preferences.word_reward import vader_scores  # noqa: E402
from course_lib.show import palette, preference_plots  # noqa: E402

TARGET = ROOT / "assets" / "pictures" / "label_and_learn.png"
HEIGHT = 520                       # pixels of the finished picture
SIZES = (300, 1_000, 3_000, 10_000, 30_000)

CELL = """
from pathlib import Path
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.cartpole import CartPoleTask
from course_lib.preferences.loop import PreferenceLoop

loop = PreferenceLoop(CartPoleTask(), PreferenceStore(Path("labels.sqlite")), Path("loop"), run="cartpole")
loop.collect()
labeler = loop.labeler()
labeler
"""


def labeller() -> Image.Image:
    """The labeller in a notebook cell, as a person sees it."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_notebook(Path(folder) / "label.ipynb", CELL.strip())
        with Lab(Path(folder), COURSE_WORK=folder) as lab:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
            page = browser.new_page(viewport={"width": 1200, "height": 1100})
            page.goto(lab.url("label.ipynb"))
            wait_for_notebook(page)
            run_cell(page, 0)
            page.wait_for_selector("canvas", timeout=120_000)
            page.wait_for_timeout(2_500)
            picture = page.locator(".jp-OutputArea-output").last.screenshot()
            browser.close()
    return Image.open(io.BytesIO(picture)).convert("RGB")


def curve() -> Image.Image:
    """How many comparisons by real people buy how much, three draws each."""
    fits = list(learning_curve(SIZES, seeds=3))
    texts, comparisons = evaluation_comparisons("test")
    lines = {"all other people together": human_ceiling(texts, comparisons),
             "expert dictionary": pair_accuracy(vader_scores([text.text for text in texts]), comparisons)}
    accuracy = [[fit.test_accuracy for fit in fits if fit.labels == size] for size in SIZES]
    palette.style()
    figure = preference_plots.label_curve(SIZES, {"learned from comparisons": accuracy}, lines,
                                          "What comparisons by real people buy")
    figure.set_size_inches(5.6, 4.2)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return Image.open(file).convert("RGB")


def main() -> None:
    """Put the two side by side."""
    torch.set_num_threads(1)
    parts = [part.resize((round(part.width * HEIGHT / part.height), HEIGHT), Image.Resampling.LANCZOS)
             for part in (labeller(), curve())]
    gap = np.full((HEIGHT, 24, 3), 255, dtype=np.uint8)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    whole = np.concatenate([np.asarray(parts[0]), gap, np.asarray(parts[1])], axis=1)
    Image.fromarray(whole).save(TARGET, optimize=True)
    print(f"wrote {TARGET.relative_to(ROOT)}, {TARGET.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
