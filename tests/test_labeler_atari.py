"""Clips of Pong and of Donkey Kong, labelled in JupyterLab: real play in the game's colours, by key and by mouse."""

import sqlite3

import pytest
from browser import Lab
from test_labeler_jupyter import Notebook, labels

from course_lib.atari.envs import AtariEnvs
from course_lib.atari.games import GAMES
from course_lib.atari.tasks import TASKS
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.segments import sample_segments

pytestmark = pytest.mark.browser


def play_into(store: PreferenceStore, name: str, run: str, pairs: int) -> None:
    """Put `pairs` pairs of clips of an untrained agent's play into the store."""
    import numpy as np
    import torch

    from course_lib.rl.rollout import Collector

    task = TASKS[name]
    envs = AtariEnvs(task.game, 2, task.encoder(), keep_frames=True)
    rollout, _ = Collector(envs, task.network(0), torch.Generator().manual_seed(0), 1).collect(50 * pairs)
    clips = sample_segments(rollout.next_obs(), envs.take_frames(), 25, 2 * pairs, np.random.default_rng(0))
    items = [task.add_item(store, clip) for clip in clips]
    for first, second in zip(items[::2], items[1::2], strict=True):
        store.add_pair(first, second, run=run)
    envs.close()


@pytest.mark.parametrize("game", [pytest.param("pong"), pytest.param("donkey_kong", marks=pytest.mark.slow)])
def test_clips_of_the_game_are_shown_and_labelled(tmp_path, browser_page, game):
    name = {"pong": "pong frames", "donkey_kong": "donkey kong objects"}[game]
    store = PreferenceStore(tmp_path / f"{game}.sqlite")
    play_into(store, name, game, pairs=3)
    store.close()
    with Lab(tmp_path, COURSE_WORK=str(tmp_path)) as lab:
        notebook = Notebook(browser_page, lab, "a.ipynb", game, 3)
        notebook.show()
        canvases = notebook.root.locator("canvas")
        assert canvases.count() >= 2
        colours = canvases.first.evaluate(
            "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set();"
            " for (let k = 0; k < d.length; k += 4) seen.add(d[k] + ',' + d[k + 1] + ',' + d[k + 2]);"
            " return [...seen]; }")
        expected = GAMES[game].colours.get(GAMES[game].floor, (0, 0, 0))
        assert ",".join(map(str, expected)) in colours, "the court is not drawn in the game's colours"
        browser_page.screenshot(path=tmp_path / f"{game}.png")
        notebook.press("ArrowLeft", "e")
        notebook.click("Right is better")
        assert [choice for _, choice in labels(tmp_path, game)] == ["left", "equal", "right"]
        assert "Done. Thank you!" in notebook.root.inner_text()
    rows = sqlite3.connect(tmp_path / f"{game}.sqlite").execute("SELECT source FROM live_labels").fetchall()
    assert {row[0] for row in rows} == {"human"}
