"""The glossary: every term stands in bold in the lesson it names, links lead somewhere, faults are named with line."""

import re
from pathlib import Path

import mini_course
import pytest

from course_lib import workspace
from course_lib.authoring import glossary, notebook_file, prose
from course_lib.authoring.source import Cell, SourceError, read_cells

ROOT = Path(__file__).resolve().parent.parent
TERMS = glossary.read((ROOT / "lessons/glossary.md").read_text(encoding="utf-8"))[1]


def bold_in(lesson: Path) -> set[str]:
    """What a lesson's text sets in bold, in small letters and on one line each."""
    text = "\n".join(cell.source for cell in read_cells(lesson) if cell.kind == "markdown")
    return {" ".join(words.split()).strip(" .:").casefold() for words in re.findall(r"\*\*([^*]+)\*\*", text)}


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.term)
def test_a_term_stands_in_bold_in_the_lesson_that_introduces_it(term: glossary.Term):
    slug = glossary.slug(term.lesson)
    bold = bold_in(ROOT / "lessons" / slug / "lesson.py")
    wanted = term.term.casefold()
    assert bold & {wanted, wanted + "s"}, (
        f"lessons/{slug}/lesson.py does not say **{term.term}**: set it in bold there, or mend lessons/glossary.md")


def test_no_term_stands_twice_and_every_lesson_links():
    names = [term.term.casefold() for term in TERMS]
    assert sorted(set(names)) == sorted(names)
    assert len(names) > 80
    for cell in glossary.render().cells:
        assert prose.links(Cell("markdown", cell.source, (), ROOT / "lessons/glossary.md", 1)) == []


def test_the_lessons_of_this_course_link_to_it():
    assert "](glossary.ipynb)" in (ROOT / "lessons/00_start_here/lesson.py").read_text(encoding="utf-8")


def test_the_notebook_is_that_of_the_source():
    assert glossary.differences() == []
    assert notebook_file.read(glossary.target()).cells[1].source.count("\n") == len(TERMS) + 1


TOP = "# Words\n\n" + glossary.HEAD + "\n|---|---|---|---|\n"


@pytest.mark.parametrize(("text", "line", "says"), [
    ("# Words\n", 1, "the table begins"),
    (TOP + "| state | | what is | 03 |\n| reward | what comes | 03 |\n", 6, "four cells"),
    (TOP + "| state | | | 03 |\n", 5, "four cells"),
    (TOP + "| state | | what is | 98 |\n", 5, "no lesson '98'"),
    (TOP + "| state | | what is | 3 |\n", 5, "no lesson '3'"),
])
def test_a_fault_is_named_with_its_line(text: str, line: int, says: str):
    with pytest.raises(SourceError, match=re.escape(says)) as caught:
        glossary.read(text)
    assert caught.value.fault.line == line


def test_build_writes_it_check_compares_it_and_learners_get_a_copy(mini, capsys):
    number = mini_course.SLUG[:2]
    row = f"| state | $s$ | what the future depends on | {number} |\n"
    (mini.root / "lessons" / "glossary.md").write_text(TOP + row)
    assert mini("build") == 0
    assert "1 terms" in capsys.readouterr().out
    made = mini.root / "notebooks" / "glossary.ipynb"
    assert f"| **state** | $s$ | what the future depends on | [{number}]({mini_course.SLUG}.ipynb) |" in \
        notebook_file.read(made).cells[1].source
    assert mini("build", "--check") == 0
    assert "notebooks/glossary.ipynb" in workspace.prepare().new
    made.write_text(made.read_text().replace("the future", "nothing"))
    assert mini("build", "--check") == 1
    assert "notebooks/glossary.ipynb: " in capsys.readouterr().err
