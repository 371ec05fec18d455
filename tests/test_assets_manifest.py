"""A manifest that was tampered with: a sentence, and no path that leads out of the cache."""

import json

import pytest

from course_lib.assets import AssetError, manifest
from course_lib.cli import main
from course_lib.paths import root

OUTSIDE = [
    "../outside", "/etc/passwd", "a/b", "..", ".", "", ".hidden", "-rf", "a\\b", "C:evil", "a\x00b", "a\nb", 3, None,
           ["a"], {"a": 1}]


def tampered(change):
    """Change the manifest of the shop."""
    file = root() / "assets" / "manifest.json"
    content = json.loads(file.read_text())
    change(content["assets"][0])
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("field", ["name", "archive", "file"])
def test_no_name_leads_out_of_the_cache(shop, field, name):
    tampered(lambda row: (row["members"][0] if field == "file" else row).__setitem__(field, name))
    with pytest.raises(AssetError, match="cannot be read .*git checkout assets/manifest.json"):
        manifest()


@pytest.mark.parametrize(("field", "value"), [
    ("archive_sha256", "none"), ("archive_sha256", 1), ("archive_bytes", -1), ("archive_bytes", "many"),
    ("package", "--index-url=http://evil"), ("package", "a b"), ("version", "1 --pre"), ("version", ""), ("members", 3),
    ("members", [3]), ("lessons", 5)])
def test_what_is_not_what_it_must_be_is_a_sentence(shop, field, value, capsys):
    tampered(lambda row: row.__setitem__(field, value))
    assert main(["assets"]) == 1
    said = capsys.readouterr().err
    assert "git checkout assets/manifest.json" in said and "Traceback" not in said


def test_the_real_manifest_is_sound(monkeypatch):
    assert len(manifest()) >= 4
