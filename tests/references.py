"""Finds what the course's texts refer to: lessons, exercises, sections and files; and says which of it does not exist.

A reference may run over a line break: a comment, a docstring and a string in several pieces are read as one line. A
lesson in preparation may be named where "in preparation" stands beside it. A section must be of the lesson that stands
beside it; else, in a lesson, of that lesson, and in other files of a lesson that the file names.

**Sections of papers.** "section N.M" is a paper's, and not looked up, where a citation stands right before it: a
capitalised name and a year ("Stiennon et al. (2020), section 3.4"), between them and the section at most a title in
quotes or italics, something in brackets, "2nd ed." or "equation 2 and". Elsewhere write "their section 3.4". Three
levels ("section 3.2.1") are a paper's too: no lesson has them.
"""

import difflib
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from course_lib.course_map import MAP


@dataclass(frozen=True)
class Course:
    """What exists."""

    lessons: frozenset[str]         # slugs of the lessons that are here
    planned: frozenset[str]         # slugs on the map that are not
    sections: frozenset[str]        # "6.8"
    exercises: frozenset[str]       # "06.2"
    files: frozenset[str]           # files and folders, from the root

    @classmethod
    def of(cls, root: Path) -> "Course":
        """What a checkout holds."""
        folders = sorted(path for path in (root / "lessons").iterdir() if re.match(r"\d\d_", path.name))
        texts = [path.read_text(encoding="utf-8") for folder in folders for path in sorted(folder.glob("*.py"))]
        folders_of_all = ("assets", "benchmarks", "classroom", "course_lib", "docs", "exercises", "lessons",
                          "notebooks", "solutions", "tests", "tools")
        places = [path for name in folders_of_all for path in [root / name, *(root / name).rglob("*")]]
        lessons = frozenset(folder.name for folder in folders)
        return cls(lessons, frozenset(entry.slug for entry in MAP) - lessons, *in_lessons(texts),
                   frozenset(path.relative_to(root).as_posix() for path in places if "__pycache__" not in path.parts))

    def with_lesson(self, slug: str, texts: list[str]) -> "Course":
        """The same, and a lesson of these source files: one that CONTRIBUTING.md or a test writes."""
        sections, exercises = in_lessons(texts)
        made = {f"{folder}/{slug}.ipynb" for folder in ("notebooks", "exercises", "solutions")}
        made |= {f"lessons/{slug}/{name}.py" for name in ("lesson", "exercises", "checks", "answers")}
        return replace(self, lessons=self.lessons | {slug}, sections=self.sections | sections,
                       exercises=self.exercises | exercises, files=self.files | made)

    @cached_property
    def numbers(self) -> frozenset[str]:
        """Two digits each."""
        return frozenset(slug[:2] for slug in self.lessons)

    @cached_property
    def coming(self) -> frozenset[str]:
        """The numbers of the lessons in preparation."""
        return frozenset(slug[:2] for slug in self.planned) - self.numbers


def in_lessons(texts: list[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The sections and the exercises that source files of lessons make."""
    whole = "\n".join(texts)
    return (frozenset(re.findall(r"^# ## (\d+\.\d+) ", whole, re.MULTILINE)),
            frozenset(re.findall(r"\bexercise\(\s*\"(\d\d\.\d+)\"", whole)))


@dataclass(frozen=True)
class Broken:
    """A reference to something that is not there."""

    line: int
    said: str
    why: str


# ------------------------------------------------------------------------------------------------------------- reading

def python_words(source: str, strings: str = "all") -> str:
    """Python with everything but comments and strings blanked out, each line in its place.

    strings: "all", or "docstrings" for those that are a statement of their own.
    """
    lines = source.splitlines(keepends=True)
    kept = [[" "] * len(line) for line in lines]
    before = tokenize.NEWLINE
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token, after in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
        name = tokenize.tok_name[token.type]
        alone = before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT) and after.type == tokenize.NEWLINE
        if name == "COMMENT" or (name in ("STRING", "FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
                                 and (strings == "all" or alone)):
            (first, start), (last, end) = token.start, token.end
            for row in range(first - 1, last):
                span = slice(start if row == first - 1 else 0, end if row == last - 1 else None)
                kept[row][span] = lines[row][span]
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            before = token.type
    return "\n".join("".join(line).rstrip() for line in kept)


def joined(text: str) -> str:
    """The text with line breaks inside a paragraph or a string turned into spaces, characters in their places.

    An empty line, an empty comment line, a heading, a row of a table, an item of a list and a new cell stay breaks.
    """
    def blank(match: re.Match) -> str:
        return " " * len(match[0])

    text = re.sub(r"""(?<!["'])["'][ \t]*\n[ \t]*[rbf]*["'](?!["'])""", blank, text)
    return re.sub(r"\n[ \t]*+(?:#[ \t]*+)?(?:>[ \t]*+)?(?=[^\s#|>])(?!%%|[-*] |\d\. )", blank, text)


_ENDS = re.compile(r'"""|\n|(?<!\bal)(?<!\bed)(?<!\b[A-Z])(?<!\b[ei]\.[ge])[.!?]["”’)*\]]*\s+(?=["“*\[`]*[A-Z])')


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """(offset, sentence) of a joined text."""
    start = 0
    for end in _ENDS.finditer(text):
        if text[start:end.end()].strip():
            yield start, text[start:end.end()]
        start = end.end()
    yield start, text[start:]


# ------------------------------------------------------------------------------------------------------------- finding

def a_list(item: str) -> str:
    """The pattern of a list of such items: "04", "04, 06 and 07", "08 to 11", "07 (clips) and 10 (text)"."""
    one = rf"[\[*`]*{item}(?:'s|’s)?[\]*`]*(?:\s*\([^()]*\))?"
    return rf"{one}(?:(?:,\s*and\s+|,\s*|\s+and\s+|\s+or\s+|\s+to\s+|\s*[–-]\s*){one})*"


LESSON, EXERCISE, SECTION = r"\d\d(?!\d|\.\d)", r"\d\d\.\d+(?!\d|\.\d)", r"\d{1,2}\.\d{1,2}(?!\d|\.\d)"
LESSON_LIST = re.compile(rf"\b[Ll]esson\s+(?P<one>{LESSON})|\b[Ll]essons\s+(?P<list>{a_list(LESSON)})")
EXERCISE_LIST = re.compile(rf"\b(?:[Ee]xercises?|[Ee]ssential\s+ones?,)\s+(?P<list>{a_list(EXERCISE)})")
SECTION_LIST = re.compile(rf"\b[Ss]ections?\s+(?P<list>{a_list(SECTION)})")
ID = re.compile(rf"""\b(?:mine|check|hint|right|wrong|exercise)\(\s*["'](?P<called>{EXERCISE})["']
                | \{{\{{exercise\s(?P<shown>{EXERCISE})\}}\}} | "(?:exercise|check):(?P<tag>{EXERCISE})"
                | -{{3,}}\s(?P<rule>{EXERCISE}) | (?<![\w.:/-])(?P<bare>0\d\.\d+)(?!\w|\.\d)""", re.VERBOSE)
BARE_LESSON = re.compile(r"(?<![\w.:/$-])(?P<bare>0\d)(?![\w:/%-]|\.\d)")
WITH_SECTIONS = re.compile(rf"\b[Ll]esson\s+(?P<lesson>{LESSON})(?:'s|’s)?"
                           rf"(?:,\s+(?:in\s+)?(?P<after>{a_list(SECTION)})|\s+\((?P<inside>[^()]*)\))")
MODULE = re.compile(r"\b(?:lesson_checks\.|import )lesson_(?P<number>\d\d)\b")
LINK = re.compile(r"\[[^\[\]]*?\b(?P<number>\d\d)(?:\.\d+)?\b[^\[\]]*\][*]*\([^()]*?(?P<slug>\d\d)_\w+\.ipynb\)")
PATH = re.compile(r"(?<![\w/.}>-])(?:\.\./)*(?P<path>[a-z_]+/[\w./*-]*)(?![\w{<>])")
SLUG = re.compile(r"(?<!\w)(?P<slug>[01]\d_[a-z]\w*)(?!\w|\.pt)")
CITED = re.compile(r"""\b[A-Z][\w’'-]+(?:\s+et\s+al\.)?,?\s*\(?(?:19|20)\d\d\b\)?,?\s*       # Stiennon et al. (2020),
                   (?:(?:"[^"]+"|\*[^*]+\*),?\s*)?(?:\([^()]*\),?\s*)?(?:\d(?:st|nd|rd|th)\s+ed\.,?\s*)?     # the title
                   (?:equations?\s+\d+\s+and\s+)?$|\btheir\s+$""", re.VERBOSE)
SUFFIXES = (".py", ".json", ".jsonl", ".md", ".ipynb", ".js", ".css", ".svg", ".png", ".toml", ".txt", ".html")


class Finder:
    """Looks up the references of one text. `place`: the file's path from the root."""

    def __init__(self, course: Course, place: str, text: str):
        self.course, self.place, self.original, self.text = course, place, text, joined(text)
        self.own = m[1] if (m := re.match(r"lessons/(\d\d)_", place)) else None
        self.named = {int(number) for m in LESSON_LIST.finditer(self.text)
                      for number in all_numbers(m["one"] or m["list"])}
        self.broken: dict[tuple[int, int, str], Broken] = {}        # by first character, last, and reason

    def find(self) -> list[Broken]:
        """All that is broken, in order."""
        for offset, sentence in sentences(self.text):
            self.lessons(offset, sentence)
            self.exercises(offset, sentence)
            self.sections(offset, sentence)
            self.files(offset, sentence)
        return [broken for (start, end, why), broken in sorted(self.broken.items())
                if not any((s, e) != (start, end) and s <= start and end <= e and why == w for s, e, w in self.broken)]

    def lessons(self, offset: int, sentence: str) -> None:
        """"lesson 06", "lessons 04, 06 and 07", a bare "06", and a link whose words name another number."""
        for match in LESSON_LIST.finditer(sentence):
            for number in all_numbers(match["one"] or match["list"]):
                self.lesson(offset, sentence, match, number)
        for match in BARE_LESSON.finditer(sentence):
            self.lesson(offset, sentence, match, match["bare"])
        for match in LINK.finditer(sentence):
            if match["number"] != match["slug"]:
                self.say(offset, match, f"the words say {match['number']}, the link leads to {match['slug']}")

    def lesson(self, offset: int, sentence: str, match: re.Match, number: str) -> None:
        """One number: here, or in preparation and said to be."""
        if number in self.course.numbers:
            return
        if number in self.course.coming:
            if "in preparation" not in sentence[max(0, match.start() - 30):match.end() + 60]:
                self.say(offset, match, f"lesson {number} is not here: say \"in preparation\" beside it")
        else:
            self.say(offset, match, f"there is no lesson {number}; {near(number, self.course.numbers)}")

    def exercises(self, offset: int, sentence: str) -> None:
        """"exercise 06.2", mine("06.2"), the tags and lines of a lesson's sources, a bare "06.2"."""
        for match in EXERCISE_LIST.finditer(sentence):
            ids = re.findall(EXERCISE, match["list"])
            for id in ids:
                self.exercise(offset, match, id)
            for first, last in re.findall(rf"({EXERCISE})\D+\bto\b\D+({EXERCISE})", match["list"]):
                if first[:2] != last[:2]:
                    self.say(offset, match, f"{first} and {last} are of two lessons")
        for match in ID.finditer(sentence):
            self.exercise(offset, match, next(filter(None, match.groups())))

    def exercise(self, offset: int, match: re.Match, id: str) -> None:
        """One id."""
        if id not in self.course.exercises:
            self.say(offset, match, f"there is no exercise {id}; {near(id, self.course.exercises)}")

    def sections(self, offset: int, sentence: str) -> None:
        """"section 6.8", of the lesson that the sentence, the folder or at least the file names."""
        for match in SECTION_LIST.finditer(sentence):
            if CITED.search(sentence[:match.start()]):
                continue
            beside = re.search(rf"[Ll]esson\s+({LESSON})(?:'s|’s)?[\s(,]*$", sentence[:match.start()])
            for number in re.findall(SECTION, match["list"]):
                lesson = int(number.split(".")[0])
                self.section(offset, match, number)
                if beside:
                    self.same(offset, match, number, beside[1])
                elif self.own and not re.search(rf"[Ll]esson\s+{lesson:02d}\b", sentence):
                    self.same(offset, match, number, self.own)
                elif not self.own and lesson not in self.named:
                    self.say(offset, match, f"section {number}, but this file does not name lesson {lesson:02d}")
        for match in WITH_SECTIONS.finditer(sentence):
            for number in re.findall(rf"(?<![\w.]){SECTION}", match["after"] or match["inside"]):
                self.section(offset, match, number)
                self.same(offset, match, number, match["lesson"])

    def section(self, offset: int, match: re.Match, number: str) -> None:
        """One number."""
        if number not in self.course.sections:
            self.say(offset, match, f"there is no section {number}; {near(number, self.course.sections)}")

    def same(self, offset: int, match: re.Match, section: str, lesson: str) -> None:
        """A section and the lesson that it stands beside."""
        if int(section.split(".")[0]) != int(lesson):
            self.say(offset, match, f"section {section} is not of lesson {lesson}")

    def files(self, offset: int, sentence: str) -> None:
        """Paths from the root or from course_lib, with `*` for any; and names of lessons."""
        for match in PATH.finditer(sentence):
            path = match["path"].rstrip(".-/")
            if "NN_slug" in path or not self.is_ours(match["path"]):
                continue
            ours = {path, f"course_lib/{path}"}
            pattern = "|".join(re.escape(name).replace(r"\*", "[^/]*") for name in ours)
            if not any(re.fullmatch(pattern, name) for name in self.course.files):
                self.say(offset, match, f"there is no file {path}; {near(path, self.course.files)}")
        for match in SLUG.finditer(sentence):
            planned = self.course.planned if self.place == "course_lib/course_map.py" else frozenset()
            if match["slug"] not in self.course.lessons | planned:
                self.say(offset, match, f"there is no lesson {match['slug']}; "
                                        f"{near(match['slug'], self.course.lessons)}")

    def is_ours(self, path: str) -> bool:
        """Whether a path begins in the checkout or in course_lib, and looks like a file or a folder, not like a/b."""
        first = path.split("/")[0]
        if f"{first}/" == path:
            return False
        return (first in self.course.files or f"course_lib/{first}" in self.course.files) and (
            path.endswith(("/", *SUFFIXES)) or path.rstrip(".").endswith(SUFFIXES) or "*" in path)

    def say(self, offset: int, match: re.Match, why: str) -> None:
        """Note a broken reference; of two finds of one, one within the other, the longer is told."""
        start, end = offset + match.start(), offset + match.end()
        self.broken[start, end, why] = Broken(1 + self.original.count("\n", 0, start),
                                              " ".join(match[0].split()).strip("*`"), why)


def broken_references(course: Course, place: str, text: str) -> list[Broken]:
    """What a text refers to and is not there. Python beyond the lessons is read by its comments and strings only."""
    modules = [Broken(1 + text.count("\n", 0, match.start()), match[0], f"there is no lesson {match['number']}")
               for match in MODULE.finditer(text) if match["number"] not in course.numbers]
    if place.endswith(".py") and not place.startswith("lessons/"):
        text = python_words(text, "docstrings" if place.startswith("tests/") else "all")
    return modules + Finder(course, place, text).find()


def all_numbers(words: str) -> list[str]:
    """The lessons of a list; what stands in brackets is about them."""
    return re.findall(LESSON, re.sub(r"\([^()]*\)", "", words))


def near(name: str, names: frozenset[str]) -> str:
    """The nearest name that exists, in words."""
    found = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.0)
    return f"the nearest is {found[0]}" if found else "there is none"
