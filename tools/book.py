"""The course as a book, a static site in build/book/html: `make book`, or `.venv/bin/python tools/book.py`.

The pages are the stored notebooks, so nothing is run. Each lesson is a page, and each solution notebook a page of
exercises on which the solutions are folded. The API pages come from the docstrings. Afterwards every page is read
again: a link that leads nowhere, a picture without a text, or anything fetched from another host is an error.
`--epub` makes a file for e-readers, too.
"""

import argparse
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course_lib.course_map import MAP, Entry  # noqa: E402
from tools import book_check, book_epub, book_gallery  # noqa: E402

BUILD = ROOT / "build" / "book"
SOURCE = ROOT / "docs" / "book"
PACKAGES = {
    "preferences": "Preferences, reward models, the loop", "labels": "Labels: store, labeler, agreement",
    "rl": "PPO and its parts", "lm": "Language models: SFT, reward models, PPO, DPO", "atari": "Atari",
    "hopper": "The hopper", "training": "Training runs: stop, resume, progress", "exercises": "Checks and exercises",
}
SPOKEN = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
    "<pre>": '<pre tabindex="0">',              # what is too wide is scrolled with the keys
}
PAGE = re.compile(r'(<a [^>]*href="[^":]+)\.ipynb"')       # a link from one notebook to another, in what a cell shows


def main() -> int:
    """Lay out the pages, call Sphinx, read every page again; 1 when one of them finds a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epub", action="store_true", help="also build/book/epub, for e-readers")
    options = parser.parse_args()
    pages = BUILD / "source"
    lay_out(pages)
    for builder in ["html", *(["epub"] if options.epub else [])]:
        target = BUILD / builder
        shutil.rmtree(target, ignore_errors=True)
        code = sphinx(pages, target, builder)
        if code:
            print(f"Sphinx found a fault (above) and stopped: build/book/{builder} is not complete.", file=sys.stderr)
            return code
    for epub in BUILD.glob("epub/*.epub") if options.epub else ():
        book_epub.tidy(epub)
        print(f"{epub.relative_to(ROOT)}: {epub.stat().st_size / 1e6:.0f} MB, for e-readers")
    open_to_all(BUILD / "html")
    faults = book_check.faults(BUILD / "html")
    size = sum(path.stat().st_size for path in (BUILD / "html").rglob("*") if path.is_file())
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(faults)} faults, {size / 1e6:.0f} MB. Open build/book/html/index.html in a browser.")
    return int(bool(faults))


def sphinx(pages: Path, target: Path, builder: str) -> int:
    """Run Sphinx on the laid-out pages; every warning is an error."""
    return subprocess.call([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", builder,
                            "-d", str(BUILD / "doctrees"), str(pages), str(target)], cwd=ROOT)


def open_to_all(site: Path) -> None:
    """Add to every page what Sphinx and its theme leave out for people who use a keyboard or hear the page."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for old, new in SPOKEN.items():
            text = text.replace(old, new)
        page.write_text(text, encoding="utf-8")


def lay_out(pages: Path) -> None:
    """Write all that Sphinx reads into the folder `pages`, which is emptied first."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(SOURCE, pages)
    shutil.copytree(ROOT / "assets" / "pictures", pages / "assets" / "pictures")
    for name in ("architecture.md", "architecture.svg", "faults.md", "front_ends.md",
                 "larger_classes.md", "other_courses.md", "results.md"):
        copy(ROOT / "docs" / name, pages / "docs" / name)
    here = [entry for entry in MAP if entry.here]
    for entry in here:
        for folder in ("notebooks", "solutions"):
            notebook = json.loads((ROOT / folder / f"{entry.slug}.ipynb").read_text(encoding="utf-8"))
            write(pages / folder / f"{entry.slug}.ipynb", json.dumps(page(notebook, folder == "solutions")))
    copy(ROOT / "classroom" / "README.md", pages / "docs" / "classroom.md")
    class_labels = json.loads((ROOT / "classroom" / "class_labels.ipynb").read_text(encoding="utf-8"))
    write(pages / "docs" / "class_labels.ipynb", json.dumps(page(class_labels, exercises=False)))
    copy(ROOT / "CHANGELOG.md", pages / "docs" / "changelog.md")
    copy(ROOT / "notebooks" / "glossary.ipynb", pages / "notebooks" / "glossary.ipynb")
    index = (SOURCE / "index.md").read_text(encoding="utf-8")
    for slot, text in (("lessons", table(here)), ("lesson pages", lines(here, "notebooks")),
                       ("exercise pages", lines(here, "solutions"))):
        index = index.replace(f"{{{{{slot}}}}}", text)
    write(pages / "index.md", index)
    gallery = (SOURCE / "gallery.md").read_text(encoding="utf-8")
    write(pages / "gallery.md", gallery.replace("{{gallery}}", book_gallery.gallery(pages)))
    api(pages / "api")


def page(notebook: dict, exercises: bool) -> dict:
    """A notebook as a page: links lead to pages of the book, solutions and collapsed cells are folded."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = source.replace("../exercises/", "../solutions/")
            continue
        tags = cell["metadata"].get("tags", [])
        solves = exercises and any(tag == "solution-only" or tag.startswith("exercise:") for tag in tags)
        if solves or cell["metadata"].get("jupyter", {}).get("source_hidden"):
            cell["metadata"]["tags"] = [*tags, "hide-input"]
        for output in cell["outputs"]:
            shown = output.get("data", {})
            if "text/html" in shown:
                shown["text/html"] = PAGE.sub(r'\1.html"', "".join(shown["text/html"]))
    return notebook


def table(entries: list[Entry]) -> str:
    """The lessons with what one does in each."""
    rows = [f"| ![{entry.shows}](assets/pictures/lessons/{entry.number}.webp){{width=150px}} "
            f"| [{entry.number} {entry.title}](notebooks/{entry.slug}.ipynb) | {entry.does} | "
            f"[to {entry.number}](solutions/{entry.slug}.ipynb) |" for entry in entries]
    return "\n".join(["| shows | lesson | what you do | exercises |", "|---|---|---|---|", *rows])


def lines(entries: list[Entry], folder: str) -> str:
    """Entries of a table of contents."""
    return "\n".join(f"{folder}/{entry.slug}" for entry in entries)


def api(folder: Path) -> None:
    """A page for each package, with every module's docstrings."""
    names = []
    for package, title in PACKAGES.items():
        found = importlib.import_module(f"course_lib.{package}")
        modules = sorted(module.name for module in pkgutil.iter_modules(found.__path__))
        body = [f"# {title}", "", f"`course_lib.{package}`: {first_sentence(found.__doc__)}"]
        for module in modules:
            body += ["", f"## {module}", "", "```{eval-rst}", f".. automodule:: course_lib.{package}.{module}", "```"]
        write(folder / f"{package}.md", "\n".join(body) + "\n")
        names.append(package)
    write(folder / "index.md", "# For researchers: the library\n\nEvery public function with shapes, units, errors "
          "and the source of its formula, from the docstrings.\n\n```{toctree}\n" + "\n".join(names) + "\n```\n")


def first_sentence(text: str | None) -> str:
    """The first line of a docstring."""
    return re.sub(r"\s+", " ", (text or "").strip().split("\n\n")[0])


def copy(path: Path, to: Path) -> None:
    """Copy a file into a folder that may not exist."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)


def write(path: Path, text: str) -> None:
    """Write a file into a folder that may not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
