"""How fast is the labeller? A real JupyterLab in headless Chromium, clips of CartPole and of Pong.

    python benchmarks/labeler.py --answers 60

- key_to_drawn_ms: from the key press (the browser's own time stamp of the event) until the next pair has been painted.
  Target: median under 40, 95th percentile under 120.
- key_to_acknowledged_ms: from the key press until the browser has heard that the answer is on the disk. The row is
  durable before that: this is an upper bound.
- answer_on_disk_ms: one call of PreferenceStore.answer in a plain Python process, commit included.
- bytes_per_pair: both clips as stored (PNG sheets); wire_bytes_per_pair: as they travel, base64.

Answers come every 400 ms, faster than a person. Results go to benchmarks/results/labeler.json.
"""

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from record import RESULTS, circumstances

from course_lib.atomic import write_text
from course_lib.labels.media import hide
from course_lib.labels.store import PreferenceStore
from course_lib.rl.cartpole import VectorCartPole, render

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from browser import FLAGS, Lab, find_chromium, run_cell, wait_for_notebook, write_notebook

FRAMES = 25
EVERY_MS = 400
STAMP = "window.addEventListener('keydown', (event) => { window.pressed = event.timeStamp; }, true);"
WATCH = """() => {
  window.times = []; window.saved = {}; window.pressed = 0;
  let asked = null;
  const root = document.querySelector(".cl-root"), channel = new MessageChannel();
  channel.port1.onmessage = () => { window.times.push(performance.now() - asked); };
  new MutationObserver(() => {                       // the next question is on screen: wait until it has been painted
    if (!window.pressed) return;
    asked = window.pressed; window.pressed = 0;
    requestAnimationFrame(() => channel.port2.postMessage(0));
  }).observe(root, { attributes: true, attributeFilter: ["data-question"] });
  const put = Storage.prototype.setItem, drop = Storage.prototype.removeItem;
  Storage.prototype.setItem = function (name, value) {
    window.saved[name] = -window.pressed;
    put.call(this, name, value);
  };
  Storage.prototype.removeItem = function (name) {   // the answer leaves the browser once Python has acknowledged it
    if (window.saved[name] < 0) window.saved[name] += performance.now();
    drop.call(this, name);
  };
}"""


def cartpole_clips() -> Iterator[np.ndarray]:
    """Clips of a pole pushed at random, 120 x 240."""
    envs, random_ = VectorCartPole(1), np.random.default_rng(0)
    states, _ = envs.reset(seed=0)
    while True:
        frames = []
        for _ in range(FRAMES):
            frames.append(render(states[0]))
            states, *_ = envs.step(random_.integers(0, 2, 1))
        yield np.stack(frames)


def pong_clips() -> Iterator[np.ndarray]:
    """Clips of Pong played at random, 210 x 160, the score covered."""
    import ale_py
    import gymnasium

    gymnasium.register_envs(ale_py)
    env = gymnasium.make("ALE/Pong-v5", frameskip=4)
    random_ = np.random.default_rng(0)
    env.reset(seed=0)
    while True:
        frames = []
        for _ in range(FRAMES):
            picture, _, ended, cut, _ = env.step(int(random_.integers(6)))
            frames.append(picture)
            if ended or cut:
                env.reset()
        yield hide(np.stack(frames), rows=slice(0, 24))


def fill(path: Path, clips: Iterator[np.ndarray], pairs: int) -> dict:
    """Put pairs into a store; returns the bytes of a pair and the time of an answer without any browser."""
    store = PreferenceStore(path)
    with store.transaction():
        for number in range(pairs + 50):
            store.add_pair(*(store.add_clip(next(clips), serial=f"{number} {side}") for side in "ab"),
                           run="clips" if number < pairs else "warm")
    questions = [*store.questions_of("clips"), *store.questions_of("warm")]
    sizes = [len(item.media) for question_id in questions for item in store.question(question_id).shown]
    times = []
    for question_id in store.questions_of("warm"):
        start = time.perf_counter()
        store.answer(question_id, "left", labeler="benchmark")
        times.append(1000 * (time.perf_counter() - start))
    store.close()
    return {"bytes_per_pair": round(2 * statistics.mean(sizes)),
            "wire_bytes_per_pair": round(2 * statistics.mean(4 * ((size + 2) // 3) for size in sizes)),
            "answer_on_disk_ms": quantiles(times)}


def label(folder: Path, answers: int) -> dict:
    """Answer that many pairs by key in JupyterLab; returns the times."""
    from playwright.sync_api import sync_playwright

    write_notebook(folder / "a.ipynb", "from course_lib.labels import Labeler\n"
                   f"Labeler('labels.sqlite', run='clips', target={answers}, labeler='benchmark', repeats=0)")
    with Lab(folder, COURSE_WORK=str(folder)) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.add_init_script(STAMP)                              # before the labeller's own listener
        page.goto(lab.url("a.ipynb"))
        wait_for_notebook(page)
        run_cell(page, 0)
        page.locator('.cl-root[data-question]:not([data-question=""])').wait_for(timeout=30_000)
        page.wait_for_timeout(1000)
        page.evaluate(WATCH)
        page.locator(".cl-root").focus()
        for number in range(answers):
            page.keyboard.press(("ArrowLeft", "ArrowRight", "e")[number % 3])
            page.wait_for_timeout(EVERY_MS)
        page.wait_for_timeout(1000)
        drawn = page.evaluate("window.times")[:answers - 1]      # after the last answer there is no next pair
        saved = [value for value in page.evaluate("Object.values(window.saved)") if value > 0]
        browser.close()
    rows = sqlite3.connect(folder / "labels.sqlite").execute(
        "SELECT COUNT(*) FROM live_labels WHERE run = 'clips'").fetchone()[0]
    return {"answers": rows, "key_to_drawn_ms": quantiles(drawn), "key_to_acknowledged_ms": quantiles(saved)}


def quantiles(times: list[float]) -> dict:
    """Median, 95th percentile and number of some times, in milliseconds."""
    return {"median": round(statistics.median(times), 1), "p95": round(float(np.percentile(times, 95)), 1),
            "times": len(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--answers", type=int, default=60)
    answers = parser.parse_args().answers
    found = {}
    for name, clips in (("cartpole", cartpole_clips()), ("pong", pong_clips())):
        with tempfile.TemporaryDirectory() as folder:
            found[name] = fill(Path(folder) / "labels.sqlite", clips, answers) | label(Path(folder), answers)
            print(name, json.dumps(found[name]), flush=True)
    versions = {name: version(name) for name in ("jupyterlab", "ipykernel", "anywidget", "playwright")}
    result = {**found, "load_at_the_end": round(os.getloadavg()[0], 1), **circumstances(),
              "versions": {**versions, "sqlite": sqlite3.sqlite_version}}
    write_text(RESULTS / "labeler.json", json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
