"""The changelog has the form that it says, its newest version is the course's, and a release's notes come from it."""

import re

import pytest

from course_lib.paths import root
from tools import release_notes

CHANGELOG = (root() / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_form_is_that_of_keep_a_changelog():
    headings = re.findall(r"^## .*$", CHANGELOG, re.MULTILINE)
    released = [release_notes.HEADING.match(heading) for heading in headings[1:]]
    assert headings[0] == "## [Unreleased]" and all(released)
    dates = [heading[2] for heading in released]
    versions = [tuple(map(int, heading[1].split("."))) for heading in released]
    assert all(dates) and dates == sorted(dates, reverse=True)
    assert versions == sorted(set(versions), reverse=True) and all(len(version) == 3 for version in versions)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Known limits"}
    assert set(re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE)) <= kinds


def test_there_is_one_version():
    newest = list(release_notes.by_version(CHANGELOG))[1]
    cited = re.search(r"^version: (.+)$", (root() / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert newest == cited == release_notes.version()


@pytest.mark.parametrize("words", [[], ["v1.0.0"], ["1.0.0"]])
def test_the_notes_are_the_section_and_nothing_else(words, capsys):
    assert release_notes.main(words) == 0
    notes = capsys.readouterr().out
    assert notes.strip() in CHANGELOG and "### Added" in notes and "\n## " not in notes


def test_an_unknown_tag_names_those_that_there_are(capsys):
    assert release_notes.main(["v9.9.9"]) == 1
    assert "1.0.0" in capsys.readouterr().err


def test_sections_end_where_the_next_begins():
    text = ("# Changelog\n\n## [Unreleased]\n\n## [2.0.0] - 2027-01-01\n\n### Fixed\n\n- a\n\n"
            "## [1.0.0] - 2026-01-01\n\n- b\n")
    assert release_notes.by_version(text) == {"Unreleased": "", "2.0.0": "### Fixed\n\n- a", "1.0.0": "- b"}
