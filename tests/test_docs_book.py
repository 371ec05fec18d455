"""The course as a book: pages from notebooks, docstrings as reStructuredText, faults of built pages."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
import zipfile

import pytest
from axe import axe_core
from conftest import skip_unless_ci
from docutils.core import publish_doctree
from filelock import FileLock

from course_lib.course_map import MAP
from course_lib.hopper.shipped import FROM_LABELS, checkpoint
from course_lib.paths import root
from course_lib.training.checkpoint import load_checkpoint
from tools import book, book_check, book_gallery
from tools.book_docstrings import as_rest
from tools.results_figures import load

NOTEBOOK = {"metadata": {}, "nbformat": 4, "nbformat_minor": 5, "cells": [
    {"cell_type": "markdown", "metadata": {}, "source": ["Do [03.1](../exercises/03_bradley_terry.ipynb)."]},
    {"cell_type": "code", "metadata": {"tags": ["exercise:03.1"]}, "source": "def f(): ...", "outputs": []},
    {"cell_type": "code", "metadata": {"jupyter": {"source_hidden": True}}, "source": "plot()", "outputs": [
        {"output_type": "display_data", "metadata": {}, "data": {
            "text/html": ['<a href="01_rl_basics.ipynb">01</a> <a href="https://example.org/a.ipynb">far</a>']}}]},
    {"cell_type": "code", "metadata": {}, "source": "f()", "outputs": []}]}


def tags(page: dict) -> list[list[str]]:
    """The tags of each cell."""
    return [cell["metadata"].get("tags", []) for cell in page["cells"]]


def test_a_page_links_to_pages_and_folds_what_is_to_be_folded():
    lesson, exercises = (book.page(copy.deepcopy(NOTEBOOK), folded) for folded in (False, True))
    assert lesson["cells"][0]["source"] == "Do [03.1](../solutions/03_bradley_terry.ipynb)."
    assert tags(lesson) == [[], ["exercise:03.1"], ["hide-input"], []]
    assert tags(exercises) == [[], ["exercise:03.1", "hide-input"], ["hide-input"], []]
    shown = lesson["cells"][2]["outputs"][0]["data"]["text/html"]
    assert shown == '<a href="01_rl_basics.html">01</a> <a href="https://example.org/a.ipynb">far</a>'


def test_every_lesson_and_the_glossary_are_laid_out(tmp_path):
    book.lay_out(tmp_path / "pages")
    index = (tmp_path / "pages/index.md").read_text(encoding="utf-8")
    for entry in MAP:
        for folder in ("notebooks", "solutions"):
            assert (tmp_path / "pages" / folder / f"{entry.slug}.ipynb").is_file() == entry.here
            assert (f"{folder}/{entry.slug}\n" in index) == entry.here
    assert (tmp_path / "pages/notebooks/glossary.ipynb").is_file()
    assert "{{" not in index + (tmp_path / "pages/gallery.md").read_text(encoding="utf-8")


def test_the_gallery_shows_every_behaviour_with_its_facts(tmp_path):
    text = book_gallery.gallery(tmp_path)
    pictures = dict(re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", text))
    for behaviour, name in FROM_LABELS.items():
        assert f"### {behaviour.capitalize()}\n" in text and f"assets/pictures/{name}.webp" in pictures.values()
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.webp")}
    assert made == {path for path in pictures.values() if path.startswith("assets/gallery/")} and len(made) == 6
    backflip = load_checkpoint(checkpoint(FROM_LABELS["backflip"]))["facts"]
    assert f"backwards {backflip['turns']:.1f} times" in text
    for job in book_gallery.WISHES:
        assert book_gallery.cell(load(f"own_preferences_{job}")[0]["examples"][0]["after"]) in text


def test_a_text_of_a_model_is_no_markup():
    assert book_gallery.cell("a | <b>b</b>\n[c](d) *e*") == r"a \| \<b\>b\</b\> \[c\]\(d\) \*e\*"


DOCSTRING = """The mean of a row * weight_ | nothing, with `code_` in it. See lesson 03.

    loss = f(a, *b)         # an example
    loss.backward()

a, b: (n,) scores of each pair,
    on any scale.
weight: (n,) or None.

Departures:
- the first, which is
  long;
- the second.
Raises ValueError when `a` and `b` differ."""


def test_docstrings_become_restructured_text_without_a_fault():
    lines = as_rest(DOCSTRING.split("\n"))
    document = publish_doctree("\n".join(lines), settings_overrides={"report_level": 1, "halt_level": 2})
    kinds = [node.tagname for node in document.children]
    assert kinds[:3] == ["paragraph", "literal_block", "field_list"] and "bullet_list" in kinds
    text = document.astext()
    assert "weight_ | nothing, with code_ in it" in text and "loss = f(a, *b)         # an example" in text
    assert "scores of each pair, on any scale." in text and "the first, which is long;" in text


GOOD = '<html><body><h1 id="top">A</h1><img src="a.png" alt="A plot."><a href="#top">up</a></body></html>'


@pytest.mark.parametrize(("page", "says"), [
    (GOOD, None),
    (GOOD.replace('alt="A plot."', ""), "the picture a.png has no text"),
    (GOOD.replace("#top", "b.html"), "the link b.html leads nowhere"),
    (GOOD.replace("#top", "#low"), "a place that the page does not have"),
    (GOOD.replace("a.png", "https://example.org/a.png"), "fetches https://example.org/a.png from another host"),
    (GOOD.replace("#top", "https://example.org"), None),
])
def test_faults_of_a_page_are_found(tmp_path, page, says):
    (tmp_path / "a.html").write_text(page)
    (tmp_path / "a.png").write_bytes(b"")
    found = book_check.faults(tmp_path)
    assert found == [] if says is None else len(found) == 1 and says in found[0]


def test_a_style_sheet_that_fetches_and_a_site_without_pages_are_faults(tmp_path):
    assert "holds no page" in book_check.faults(tmp_path)[0]
    (tmp_path / "a.html").write_text(GOOD.replace('<img src="a.png" alt="A plot.">', ""))
    (tmp_path / "a.css").write_text("@font-face { src: url('//fonts.example.org/x.woff2') }")
    assert "a.css: fetches //fonts.example.org/x.woff2" in book_check.faults(tmp_path)[0]


@pytest.fixture(scope="module")
def site():
    """The built book, as a site and for e-readers; where tests run in several processes, the first one builds it."""
    mark, run = root() / "build/book-of-test-run", os.environ.get("PYTEST_XDIST_TESTRUNUID", str(uuid.uuid4()))
    mark.parent.mkdir(exist_ok=True)
    with FileLock(mark.with_suffix(".lock")):
        if not mark.exists() or mark.read_text() != run:
            done = subprocess.run([sys.executable, "tools/book.py", "--epub"], cwd=root(), capture_output=True,
                                  text=True, timeout=1800)
            assert done.returncode == 0, done.stdout + done.stderr
            mark.write_text(run)
    return root() / "build/book/html"


@pytest.mark.slow
def test_the_whole_book_is_built_without_a_fault_and_stays_small(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 60e6


PAGES = ("index.html", "gallery.html",
         "notebooks/03_bradley_terry.html", "solutions/03_bradley_terry.html", "api/rl.html")


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_whole_without_a_network_and_axe_finds_no_violation(site, browser_context, tmp_path, theme):
    source, found = axe_core(tmp_path), {}
    for name in PAGES:
        page, asked = browser_context.new_page(), []
        page.route(re.compile("^https?:"), lambda route, asked=asked: (asked.append(route.request.url), route.abort()))
        page.emulate_media(color_scheme=theme)
        page.goto((site / name).as_uri())
        if name.startswith("notebooks"):
            page.locator("mjx-container").first.wait_for()
        if name.startswith("solutions"):
            solution = page.get_by_text("Bradley", exact=False).first
            assert solution.is_visible() and page.locator("details:not([open])").count() >= 4
        page.evaluate(source)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found |= {f"{name}: {one['id']}": [node["html"][:120] for node in one["nodes"]][:3]
                  for one in result["violations"]}
        assert asked == [], f"{name} asks other hosts for {asked}"
        page.close()
    assert found == {}, json.dumps(found, indent=1)


def epubcheck() -> list[str]:
    """The command of W3C's validator."""
    jar = shutil.which("epubcheck")
    if jar is None or shutil.which("java") is None:
        skip_unless_ci("epubcheck is not installed: `apt install epubcheck default-jre-headless` brings it")
    with open(jar, "rb") as file:
        return ["java", "-jar", jar] if file.read(2) == b"PK" else [jar]       # Debian's is a jar that needs binfmt


@pytest.mark.slow
def test_the_book_for_e_readers_is_valid(site):
    epub, = (site.parent / "epub").glob("*.epub")
    done = subprocess.run([*epubcheck(), str(epub)], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0 and "0 errors" in done.stdout + done.stderr, (done.stdout + done.stderr)[-3000:]
    with zipfile.ZipFile(epub) as archive:
        pictures = [name for name in archive.namelist() if name.endswith(".png")]
        lesson = archive.read("notebooks/05_backflip.xhtml").decode()
    assert len(pictures) > 150 and lesson.count("<img") > 10 and epub.stat().st_size < 30e6
