"""`course share`: everything that was done is on the page, nothing personal is, and nothing on it can run."""

import getpass
import io
import json
import re
import shutil
import socket
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from axe import axe_core
from labelling import text_store
from PIL import Image
from preference_loop import SMALL, SYNTHETIC
from test_lm_answer_task import tiny_policy

from course_lib import cli
from course_lib.atari.tasks import TASKS
from course_lib.exercises import store as progress
from course_lib.hopper.task import HopperTask
from course_lib.labels import queue
from course_lib.labels.store import PreferenceStore, default_path
from course_lib.lm import answer_task
from course_lib.paths import root
from course_lib.preferences.cartpole import CartPoleTask
from course_lib.preferences.loop import PreferenceLoop
from course_lib.share import films
from course_lib.share.findings import RUNS
from course_lib.training.checkpoint import save_checkpoint

ATTACK = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
PERSON, PROMPT, WHERE = "ada.lovelace", "my secret wish", "home-of-ada"
NOON = datetime(2026, 3, 4, 12).timestamp()


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The my_work of somebody who checked exercises, labelled under a hostile run name, and trained an agent."""
    folder = tmp_path_factory.mktemp(WHERE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_WORK", str(folder))
        progress.add_attempt("01.1", "passed", 3, 3, 2.0, 2.0)
        progress.add_attempt("01.2", "failed", 1, 3, 0.5, 1.0)
        store = text_store(default_path(), 8, run=ATTACK, prompt=ATTACK + PROMPT)
        for number, question in enumerate(store.questions_of(ATTACK)):
            store.answer(question, "equal" if number == 0 else "left", labeler=PERSON, answered_at=NOON)
        again = queue.add_due_repeat(store, ATTACK, PERSON, share=0.9)
        store.answer(again, "right", labeler=PERSON, answered_at=NOON)         # sides are swapped: the same answer
        loop = PreferenceLoop(CartPoleTask(num_envs=4, width=24), store, folder / "checkpoints" / "04-run", "cartpole",
                              SMALL)
        while loop.stage != "finished":
            finish_stage(loop)
    return folder


def finish_stage(loop: PreferenceLoop) -> None:
    """Take the step that is due, labels from the synthetic labeler."""
    if loop.stage == "label":
        labeler = loop.labeler(SYNTHETIC)
        labeler.answer_synthetic()
        loop.label(labeler.require())
    else:
        list(loop.train()) if loop.stage == "train" else getattr(loop, loop.stage)()


@pytest.fixture
def at(done, monkeypatch):
    """The learner's folder, in place."""
    monkeypatch.setenv("COURSE_WORK", str(done))
    yield done
    shutil.rmtree(done / "shared", ignore_errors=True)


def shared(folder: Path, *options: str) -> str:
    """The page that `course share` writes."""
    out = folder / "shared" / f"page-{len(options)}.html"
    assert cli.main(["share", "--out", str(out), *options]) == 0
    return out.read_text(encoding="utf-8")


def without_pictures(page: str) -> str:
    """The page's text and markup, less its pictures and its style."""
    return re.sub(r'data:image/webp;base64,[^"]+|<style>.*?</style>', "", page, flags=re.DOTALL)


def test_what_was_done_is_on_the_page(at):
    page = without_pictures(shared(at))
    for piece in ("01 What is a reward?", "2.5 of", "1 of 1", "4 March 2026", "a run of their own, number 1",
                  "04 CartPole: balancing", "labels by a synthetic labeler, 2 rounds of training",
                  "after round 2", "The pole stands for"):
        assert piece in page, piece
    row = re.search(r"number 1</th>(.*?)</tr>", page)[1]
    assert re.findall(r">([\d,]+)</td>", row) == ["8", "0", "1", "0"]           # by people, by a script, ties, skips
    assert page.count("<figure>") == 3


def test_nothing_personal_is_on_the_page(at):
    page = without_pictures(shared(at))
    for secret in (PERSON, PROMPT, WHERE, str(at), "text 0", socket.gethostname(), "test-session", ATTACK):
        assert secret not in page, secret
    assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", page)
    assert "What I did" in page


def test_a_name_and_run_names_are_shown_when_asked_for_and_do_not_run(at):
    page = without_pictures(shared(at, "--name", f"Ada {ATTACK[:20]}", "--run-names"))
    assert "What Ada &lt;script&gt;document" in page and "&lt;script&gt;document.title=" in page
    assert "<script" not in page and "<img src=x" not in page and PERSON not in page


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_in_a_browser(at, browser_context, tmp_path, theme):
    """From the disk, without a request: nothing runs, axe finds nothing, keys reach all, films stand still at will."""
    shared(at, "--name", ATTACK[:60], "--run-names")
    page, asked = browser_context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.emulate_media(color_scheme=theme, reduced_motion="no-preference")
    page.goto((at / "shared" / "page-3.html").as_uri())
    assert page.title().startswith("What <script>")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.locator("script, iframe, link, img[src=x]").count() == 0
    page.evaluate("() => { const s = document.createElement('script'); s.textContent = 'document.title = \"run\"';"
                  " document.head.append(s); }")
    assert page.title() != "run", "the page's own policy lets a script run"
    assert page.locator("img.moving").first.evaluate("image => image.complete && image.naturalWidth > 0")
    page.get_by_label("Films move").press("Space")
    assert page.locator("img.moving:visible").count() == 0 and page.locator("img.still:visible").count() == 3
    page.locator("summary").first.press("Enter")
    assert page.locator("details[open] table").first.is_visible()
    session = browser_context.new_cdp_session(page)
    session.send("Page.setBypassCSP", {"enabled": True})                    # axe is a script, too
    page.reload()
    page.evaluate(axe_core(tmp_path))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert found == [], json.dumps([(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found])
    page.emulate_media(media="print", color_scheme=theme)
    assert page.locator("img.moving:visible").count() == 0
    page.emulate_media(media="screen", reduced_motion="reduce")
    assert page.locator("img.moving:visible").count() == 0 and page.get_by_label("Films move").is_hidden()
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "a phone has to scroll to the side"
    page.close()


def test_nothing_is_written_where_nothing_was_done(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    assert cli.main(["share"]) == 1
    assert "There is nothing to show yet" in capsys.readouterr().err
    assert list(tmp_path.rglob("*.html")) == []


def test_a_second_page_does_not_replace_the_first(at, capsys):
    assert cli.main(["share"]) == cli.main(["share"]) == 0
    assert sorted(path.name for path in (at / "shared").iterdir()) == ["my-course-2.html", "my-course.html"]
    assert cli.main(["share", "--out", str(at / "shared" / "my-course.html")]) == 1
    assert "is there already" in capsys.readouterr().err
    assert cli.main(["share", "--name", "x" * 81]) == 1


def stored(folder: Path, name: str, task: str, agents: list[dict]) -> None:
    """A run as the loop keeps it, with these agents."""
    save_checkpoint(folder / "checkpoints" / name / "loop.pt", {
        "config": {"run": name, "task": task, "seed": 0}, "agents": agents,
        "verdicts": {"sources": ["human", "scripted"], "mu": torch.tensor([1.0, 0.5])}})


def test_films_of_the_hopper_and_of_pong(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    monkeypatch.setattr(films, "ATARI_STEPS", 24)
    monkeypatch.setattr(films, "HOPPER_SECONDS", 0.5)
    networks = {"hopper": HopperTask().network, "pong cells": TASKS["pong cells"].network}
    for task, network in networks.items():
        determined = {name: 30 * weight for name, weight in network(1).state_dict().items()}
        stored(tmp_path, task, task, [network(0).state_dict(), determined])
    hopper, pong = films.trained_runs(print)
    assert hopper.source == "mixed" and hopper.labels == 2 and hopper.rounds == 1
    for run, frames, says in ((hopper, 6, "In 0 seconds the hopper turns"), (pong, 24, "seconds of Pong: ")):
        assert [film.when for film in run.films] == ["before", "after round 1"]
        assert all(says in film.says for film in run.films)
        first, second = (Image.open(io.BytesIO(film.moving)) for film in run.films)
        assert first.n_frames >= frames and first.width == films.WIDTH
        assert Image.open(io.BytesIO(run.films[0].still)).size == first.size
        first.seek(first.n_frames - 1), second.seek(second.n_frames - 1)
        assert not np.array_equal(np.asarray(first.convert("RGB")), np.asarray(second.convert("RGB"))), "the same"


def test_answers_before_and_after(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    monkeypatch.setattr(answer_task, "fresh_policy", tiny_policy)
    monkeypatch.setattr(films, "ANSWER_TOKENS", 6)
    before, after = tiny_policy(0).state_dict(), tiny_policy(0).state_dict()
    after = {name: value + 3 * torch.randn_like(value) for name, value in after.items()}
    stored(tmp_path, "answers", "answers", [before, after, after])
    run, = films.trained_runs(print)
    assert len(run.samples) == films.SAMPLES and any(old != new for _, old, new in run.samples)


def test_runs_that_cannot_be_shown_are_named_to_the_learner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    agent, told = CartPoleTask().network(0).state_dict(), []
    stored(tmp_path, "a-untrained", "cartpole", [agent])
    stored(tmp_path, "b-other", "cartpole", [{"weight": torch.zeros(2)}] * 2)
    stored(tmp_path, "c-own", "my own game", [agent, agent])
    (tmp_path / "checkpoints" / "d-broken").mkdir()
    (tmp_path / "checkpoints" / "d-broken" / "loop.pt").write_bytes(b"not a checkpoint")
    runs = list(films.trained_runs(told.append))
    assert [(run.run, run.films) for run in runs] == [("b-other", ()), ("c-own", ())]
    page = without_pictures(shared(tmp_path))
    assert "points</li>" not in page and "2 labels, by a person and by a synthetic labeler, 1 round of" in page
    for name, says in (("a-untrained", "has not been trained yet"), ("b-other", "could not act"),
                       ("d-broken", "cannot be read")):
        assert any(name in sentence and says in sentence for sentence in told), told


def test_a_label_file_that_cannot_be_read_costs_nothing_else(at, capsys, monkeypatch, tmp_path):
    work = shutil.copytree(at, tmp_path / "work")
    monkeypatch.setenv("COURSE_WORK", str(work))
    default_path().write_bytes(b"no label file at all, but long enough to be looked at" * 20)
    for side_file in ("-wal", "-shm"):          # while another test has a store open, SQLite mends the file from these
        default_path().with_name(default_path().name + side_file).unlink(missing_ok=True)
    page = without_pictures(shared(work))
    assert "01 What is a reward?" in page and "<h2>Labels</h2>" not in page
    assert "Your labels could not be read" in capsys.readouterr().out


def test_every_run_of_the_lessons_has_its_words():
    """A new lesson's run would otherwise be taken for a run of the learner's own."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((root() / "lessons").glob("*/lesson.py"))]
    named = {name for text in texts for name in re.findall(r'\brun="([^"{]+)"|\bRUN = "([^"]+)"', text)
             for name in name if name}
    named |= {name for text in texts for name in re.findall(r'RUN = PreferenceStore\(\), "([^"]+)"', text)}
    assert len(named) >= 9 and named <= set(RUNS), named - set(RUNS)


def test_labels_are_counted_without_a_change_to_the_file(at):
    before = default_path().read_bytes()
    shared(at)
    assert default_path().read_bytes() == before
    assert PreferenceStore(read_only=True).runs()
