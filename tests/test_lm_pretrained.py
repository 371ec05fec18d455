"""The pretrained model: converted once and proved, its features cached part by part, reduced and shipped.

A tiny model stands in for it where only the handling is at stake; one slow test converts the real one.
"""

import json

import numpy as np
import pytest
import torch

from course_lib.assets import derived
from course_lib.errors import CourseError
from course_lib.lm import features as features_module
from course_lib.lm import pretrained
from course_lib.lm.features import FeatureSettings, asked_outright, cached_features, features
from course_lib.lm.pretrained import PretrainedModelError
from course_lib.preferences.human_ratings import RatedText

SETTINGS = FeatureSettings(cue="!", last_of=(1, 2), mean_of=(1,), max_tokens=12, batch_size=4, bfloat16=False)
TEXTS = [f"text number {n} " + "so" * (n % 5) for n in range(23)]


class Letters:
    """A tokenizer that has one token for each character."""

    def __call__(self, texts, add_special_tokens=False):
        encoded = [[1 + ord(letter) % 60 for letter in text] for text in ([texts] if isinstance(texts, str) else texts)]
        return {"input_ids": encoded[0] if isinstance(texts, str) else encoded}


def tiny_llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=64, hidden_size=576, intermediate_size=32, num_hidden_layers=2, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=64)).eval()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A tiny frozen model in place of the real one, an empty cache; returns the list of batch sizes that it read."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    model, read = tiny_llama().model, []

    def counted(**inputs):
        read.append(len(inputs["input_ids"]))
        return model(**inputs)

    monkeypatch.setattr(features_module, "_model", lambda dtype: (counted, Letters()))
    monkeypatch.setattr(features_module, "PART", 8)
    return read


# ------------------------------------------------------------------------------------------------------- features


def test_features_are_the_named_states_of_each_text_read_alone(stand_in):
    model = tiny_llama().model
    rows = features(TEXTS[:6], SETTINGS, progress=False)
    for text, row in zip(TEXTS[:6], rows, strict=True):
        ids = torch.tensor([Letters()(text)["input_ids"][:12] + Letters()("!")["input_ids"]])
        with torch.no_grad():
            states = model(input_ids=ids, output_hidden_states=True).hidden_states
        expected = torch.cat([states[1][0].mean(0), states[1][0, -1], states[2][0, -1]])
        torch.testing.assert_close(row, expected, atol=1e-4, rtol=1e-4)


def test_cached_features_are_features_to_half_precision(stand_in):
    torch.testing.assert_close(cached_features(TEXTS, SETTINGS), features(TEXTS, SETTINGS, progress=False), atol=5e-3,
                               rtol=5e-3)


def test_a_second_call_reads_the_cache(stand_in):
    first = cached_features(TEXTS, SETTINGS)
    stand_in.clear()
    assert torch.equal(cached_features(TEXTS, SETTINGS), first) and stand_in == []


def test_a_stopped_run_goes_on_where_it_stopped(stand_in, monkeypatch):
    whole, really = cached_features(TEXTS, SETTINGS), features_module.save_checkpoint
    for part in features_module.cache_folder(TEXTS, SETTINGS).iterdir():
        part.unlink()

    def stopped_at_the_third(path, state):
        if path.name == "part-002.pt":
            raise KeyboardInterrupt
        really(path, state)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(features_module, "save_checkpoint", stopped_at_the_third)
        cached_features(TEXTS, SETTINGS)
    stand_in.clear()
    assert torch.equal(cached_features(TEXTS, SETTINGS), whole) and sum(stand_in) == 7      # 23 texts, parts of 8


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_part_is_made_again(stand_in, content):
    whole = cached_features(TEXTS, SETTINGS)
    (features_module.cache_folder(TEXTS, SETTINGS) / "part-001.pt").write_bytes(content)
    stand_in.clear()
    assert torch.equal(cached_features(TEXTS, SETTINGS), whole) and sum(stand_in) == 8


def test_other_texts_or_settings_have_a_cache_of_their_own():
    folder = features_module.cache_folder
    assert len({folder(TEXTS, SETTINGS), folder(TEXTS[:5], SETTINGS), folder(TEXTS, FeatureSettings())}) == 3


@pytest.mark.parametrize(("texts", "error", "words"), [
    ("good", TypeError, "brackets"), ([], CourseError, "no text"),
    (["good", "  "], CourseError, "Text 1 of the list is empty")])
def test_what_cannot_be_read_is_told(stand_in, texts, error, words):
    with pytest.raises(error, match=words):
        features(texts, SETTINGS)


def test_numbers_that_are_not_finite_are_not_kept(stand_in, monkeypatch):
    broken = torch.full((1, 1728), torch.nan)
    monkeypatch.setattr(features_module, "_states", lambda model, ids, settings: broken.repeat(len(ids), 1))
    with pytest.raises(CourseError, match="not finite"):
        cached_features(TEXTS, SETTINGS)
    assert not list(features_module.cache_folder(TEXTS, SETTINGS).glob("*.pt"))


# ----------------------------------------------------------------------------------------------------- conversion


@pytest.fixture
def small_conversion(tmp_path, monkeypatch):
    """`converted` with a tiny model in place of the unpacked one, and a proof that fits it."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(derived, "_verified", set())
    monkeypatch.setattr(pretrained, "BYTES_NEEDED", 1000)
    monkeypatch.setattr(pretrained, "load_tokenizer", lambda folder=None: Letters())
    made = []

    def convert(folder):
        made.append(folder)
        tiny_llama().to(torch.bfloat16).save_pretrained(folder)
        pretrained.prove(folder)

    monkeypatch.setattr(pretrained, "convert", convert)
    tokens = tuple(Letters()(pretrained.PROOF)["input_ids"])
    with torch.no_grad():
        logits = tiny_llama().to(torch.bfloat16).float()(torch.tensor([tokens])).logits[0, -1]
    monkeypatch.setattr(pretrained, "PROOF_TOKENS", tokens)
    monkeypatch.setattr(pretrained, "PROOF_LOGITS", {3: logits[3].item(), 9: logits[9].item()})
    return made


def test_it_is_converted_once(small_conversion):
    folder = pretrained.converted()
    assert pretrained.converted() == folder and len(small_conversion) == 1
    assert set(json.loads((folder / "made.json").read_text())["files"]) >= {"config.json", "model.safetensors"}


def test_a_damaged_weight_file_is_noticed_and_made_again(small_conversion, monkeypatch, capsys):
    weights = pretrained.converted() / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    monkeypatch.setattr(derived, "_verified", set())
    pretrained.load_pretrained()
    assert len(small_conversion) == 2 and "model.safetensors was altered" in capsys.readouterr().out


def test_a_model_that_says_something_else_is_refused(small_conversion, monkeypatch):
    monkeypatch.setattr(pretrained, "PROOF_LOGITS", {3: 99.0})
    with pytest.raises(PretrainedModelError, match="does not continue .* requirements.lock"):
        pretrained.converted()
    assert not (derived.cache() / pretrained.FOLDER).exists()


def test_it_loads_ready_to_read(small_conversion):
    model = pretrained.load_pretrained(torch.float32)
    assert model.dtype == torch.float32 and not model.training


# ------------------------------------------------------------------------------------------------ reduced features


@pytest.fixture
def few_texts(monkeypatch):
    """Six rated texts in place of all."""
    texts = tuple(RatedText("tweets", str(n), f"tweet {n}", (1, 2)) for n in range(6))
    monkeypatch.setattr(features_module, "load_rated_texts", lambda: texts)
    for cached in (features_module._places, features_module._identity):
        cached.cache_clear()
    yield texts
    for cached in (features_module._places, features_module._identity):
        cached.cache_clear()


def shipped(folder, texts, directions=4):
    rows = torch.randn(len(texts), 10, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 11) + 5
    reduction = features_module.fit_reduction(rows, directions, 0.1, SETTINGS)
    features_module.save_reduced(folder / "small.npz", rows, torch.arange(len(texts)).float(), reduction)
    return rows, reduction


def test_what_is_shipped_is_what_is_computed(tmp_path, few_texts):
    rows, reduction = shipped(tmp_path, few_texts)
    read = features_module.load_reduced(tmp_path / "small.npz")
    torch.testing.assert_close(read.rows, reduction.reduce(rows), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(read.reduction.reduce(rows[:2]), read.rows[:2], atol=0.11, rtol=1e-3)
    assert read.reduction.settings == SETTINGS


def test_rows_are_found_by_domain_and_number(tmp_path, few_texts):
    shipped(tmp_path, few_texts)
    read = features_module.load_reduced(tmp_path / "small.npz")
    chosen = [few_texts[4], few_texts[0]]
    assert torch.equal(read.of(chosen), read.rows[[4, 0]]) and read.asked_of(chosen).tolist() == [4, 0]


def test_directions_are_those_of_scikit_learns_pca(tmp_path, few_texts):
    from sklearn.decomposition import PCA

    rows = torch.randn(300, 10, generator=torch.Generator().manual_seed(0)) @ torch.randn(10, 10)
    reduction = features_module.fit_reduction(rows, 3, 1e-3, SETTINGS)
    known = ((rows - reduction.mean) / reduction.std).numpy()
    theirs = PCA(3).fit(known).components_
    overlap = np.abs(theirs @ reduction.components.numpy()).round(2)
    assert (np.diag(overlap) > 0.98).all()


def test_features_of_other_texts_are_refused(tmp_path, few_texts, monkeypatch):
    shipped(tmp_path, few_texts)
    monkeypatch.setattr(features_module, "load_rated_texts", lambda: few_texts[:5])
    features_module._identity.cache_clear()
    with pytest.raises(CourseError, match="made for other texts"):
        features_module.load_reduced(tmp_path / "small.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not an archive"])
def test_a_damaged_file_says_how_to_get_it_back(tmp_path, few_texts, content):
    (tmp_path / "small.npz").write_bytes(content)
    with pytest.raises(CourseError, match="git checkout small.npz"):
        features_module.load_reduced(tmp_path / "small.npz")


def test_the_file_that_is_shipped_is_small_and_whole():
    assert features_module.shipped_path().stat().st_size < 2_000_000
    assert torch.isfinite(features_module.load_reduced().rows).all()


# --------------------------------------------------------------------------------------------------- the real one


@pytest.mark.slow
def test_the_real_model_converts_knows_paris_and_the_shipped_features(tmp_path):
    from course_lib.lm.rewards import load_gold
    from course_lib.preferences.human_ratings import load_rated_texts

    some = load_rated_texts()[:40]
    shipped_rows = features_module.load_reduced()
    rows = features([text.text for text in some], shipped_rows.reduction.settings, progress=False)
    reduced = shipped_rows.reduction.reduce(rows)
    close = torch.nn.functional.cosine_similarity(reduced, shipped_rows.of(some))
    assert close.min() > 0.9                       # the batches differ, and with them the last of the 16 bits
    good, bad = load_gold().rewards(["I love this film, it is wonderful.", "I hate this film, it is dreadful."])
    assert good > bad + 1
    assert asked_outright(rows).shape == (40,)
