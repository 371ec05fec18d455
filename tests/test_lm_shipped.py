"""The shipped models: small, readable without running code, as good as they say; others are refused in words."""

import pytest
import torch

from course_lib.lm.data import short_texts
from course_lib.lm.generate import generate
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.metrics import score
from course_lib.lm.rewards import PROXY_LABELS, load_proxy
from course_lib.lm.shipped import BPE, CHAR, folder, load_gpt, load_shipped, save_gpt
from course_lib.lm.tokenizers import BPETokenizer, CharTokenizer, begin
from course_lib.training.checkpoint import CheckpointError, save_checkpoint


@pytest.mark.parametrize("file", sorted(folder().glob("*.pt")), ids=lambda file: file.name)
def test_what_is_shipped_is_small(file):
    assert file.stat().st_size < 2_000_000


@pytest.mark.parametrize("file", sorted(folder().glob("gpt_*.pt")), ids=lambda file: file.name)
def test_a_shipped_model_writes_and_those_of_byte_pairs_share_their_tokens(file):
    shipped = load_shipped(file.name)
    written = generate(shipped.model, begin(shipped.tokenizer, "The ", 2), 8, eos=shipped.tokenizer.eos)
    assert torch.isfinite(written.logprobs).all() and written.lengths.min() > 0
    if file.name != CHAR:
        assert shipped.tokenizer.engine.to_str() == load_shipped(BPE).tokenizer.engine.to_str()


def test_the_shipped_reward_model_reads_the_tokens_of_the_shipped_models():
    model, facts = load_proxy()
    assert model.trunk.config.vocab_size == load_shipped(BPE).tokenizer.vocab_size
    assert facts["labels"] == PROXY_LABELS
    rewards = model.rewards(["A wonderful film.", "A dreadful film.", ""], load_shipped(BPE).tokenizer)
    assert torch.isfinite(rewards).all() and rewards[0] > rewards[1]


@pytest.mark.parametrize("name", [CHAR, BPE])
def test_a_shipped_model_is_as_good_as_it_says(name):
    """On 200 test texts, half precision and all."""
    shipped = load_shipped(name)
    got = score(shipped.model, shipped.tokenizer, short_texts("test")[::24])
    assert got.bits_per_char == pytest.approx(shipped.facts["bits_per_char"], abs=0.08)


def test_the_shipped_byte_pairs_are_those_of_the_training_texts():
    shipped = load_shipped(BPE).tokenizer
    again = BPETokenizer.train(short_texts("train"), shipped.vocab_size)
    assert shipped.engine.to_str() == again.engine.to_str()


@pytest.mark.parametrize("tokenizer", [CharTokenizer(), BPETokenizer.train(["abab"], 258)])
def test_a_model_is_saved_with_its_tokenizer(tmp_path, tokenizer):
    model = GPT(GPTConfig(tokenizer.vocab_size, 8, 1, 2, 16))
    save_gpt(tmp_path / "m.pt", model, tokenizer, {"seed": 0})
    again = load_gpt(tmp_path / "m.pt")
    assert again.tokenizer.encode("abab é") == tokenizer.encode("abab é") and again.facts == {"seed": 0}
    x = torch.tensor([[0, 3, 4]])
    torch.testing.assert_close(again.model(x), model(x), atol=2e-3, rtol=0)


def test_what_holds_no_model_is_refused_in_words(tmp_path):
    save_checkpoint(tmp_path / "m.pt", {"steps": 3})
    with pytest.raises(CheckpointError, match="git checkout assets/checkpoints/m.pt"):
        load_gpt(tmp_path / "m.pt")


def test_a_missing_model_is_refused_in_words(tmp_path):
    with pytest.raises(CheckpointError, match=r"There is no m\.pt"):
        load_gpt(tmp_path / "m.pt")
