"""Folders made once out of fetched data: killed, raced, damaged, on a full disk. Nothing heavy is made here."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.assets import AssetError, derived
from course_lib.paths import root

MAKER = '''
import sys, time
from pathlib import Path
from course_lib.assets.derived import made_once
def make(folder):
    with open("{log}", "a") as log:
        log.write("made ")
    (folder / "first").write_text("1")
    print("half done", flush=True)
    time.sleep({wait})
    (folder / "second").write_text("2")
print(sorted(file.name for file in made_once("thing", "recipe 1", make, 1000).iterdir()), flush=True)
'''


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty cache, and a process that has not looked at any folder yet."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(derived, "_verified", set())
    return tmp_path


def make(folder: Path) -> None:
    (folder / "numbers").write_text("1 2 3")


def unwanted(folder: Path) -> None:
    raise AssertionError("made again")


def program(shelf: Path, wait: float) -> subprocess.Popen:
    script = MAKER.format(log=shelf / "log", wait=wait)
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True,
                            env={**os.environ, "PYTHONPATH": str(root())})


def test_what_is_there_is_not_made_again(shelf, monkeypatch):
    folder = derived.made_once("thing", "recipe 1", make, 1000)
    monkeypatch.setattr(derived, "_verified", set())
    assert derived.made_once("thing", "recipe 1", unwanted, 1000) == folder


@pytest.mark.parametrize(("damage", "words"), [
    (lambda folder: (folder / "numbers").write_text("1 2 4"), "numbers was altered"),
    (lambda folder: (folder / "numbers").write_text("1"), "numbers was altered"),
    (lambda folder: (folder / "numbers").unlink(), "numbers is missing"),
    (lambda folder: (folder / "made.json").write_text("{"), "its made.json cannot be read"),
])
def test_a_damaged_folder_is_named_and_made_again(shelf, monkeypatch, capsys, damage, words):
    damage(derived.made_once("thing", "recipe 1", make, 1000))
    monkeypatch.setattr(derived, "_verified", set())
    assert (derived.made_once("thing", "recipe 1", make, 1000) / "numbers").read_text() == "1 2 3"
    assert f"thing: {words}. Making it again." in capsys.readouterr().out


def test_another_recipe_makes_it_again(shelf, monkeypatch, capsys):
    derived.made_once("thing", "recipe 1", make, 1000)
    monkeypatch.setattr(derived, "_verified", set())
    derived.made_once("thing", "recipe 2", make, 1000)
    assert "made in another way" in capsys.readouterr().out


def test_killed_half_way_leaves_nothing_under_the_name_and_the_next_run_clears_up(shelf):
    process = program(shelf, wait=60)
    assert process.stdout.readline() == "half done\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert not (shelf / "cache" / "thing").exists() and list((shelf / "cache" / ".making").glob("half-*"))
    derived.made_once("thing", "recipe 1", make, 1000)
    assert not list((shelf / "cache" / ".making").glob("half-*"))


def test_two_programs_at_once_make_it_once(shelf):
    both = [program(shelf, wait=0.5) for _ in range(2)]
    said = [process.communicate()[0].splitlines()[-1] for process in both]
    assert said == ["['first', 'made.json', 'second']"] * 2 and (shelf / "log").read_text() == "made "


def test_an_error_while_making_passes_through_and_leaves_nothing(shelf):
    def fails(folder: Path) -> None:
        (folder / "half").write_text("1")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        derived.made_once("thing", "recipe 1", fails, 1000)
    assert not (shelf / "cache" / "thing").exists() and not list((shelf / "cache" / ".making").glob("half-*"))


def test_too_little_disk_is_told_before_anything_is_made(shelf, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1_000_000))
    with pytest.raises(AssetError, match=r"thing needs 600 MB of disk in .* and 1.0 MB are free. Make room"):
        derived.made_once("thing", "recipe 1", unwanted, 600_000_000)


def test_a_disk_that_fills_up_is_a_sentence(shelf):
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(AssetError, match="thing: the disk filled up while it was made. Free 600 MB"):
        derived.made_once("thing", "recipe 1", full, 600_000_000)
    assert not (shelf / "cache" / "thing").exists()


def test_a_cache_that_cannot_be_written_is_named(shelf):
    (shelf / "cache").rmdir()
    (shelf / "cache").write_text("a file where the folder should be")
    with pytest.raises(AssetError, match="cannot be written"):
        derived.made_once("thing", "recipe 1", make, 1000)
