"""The shipped models: small, readable without running code, as good as they say; others are refused in words."""

import pytest
import torch

from course_lib.lm.bpe import BPETokenizer
from course_lib.lm.char_tokenizer import CharTokenizer
from course_lib.lm.corpora import short_texts
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.metrics import score
from course_lib.lm.shipped import BPE, CHAR, folder, load_gpt, load_shipped, save_gpt
from course_lib.rl.checkpoint import CheckpointError, save_checkpoint


@pytest.mark.parametrize("name", [CHAR, BPE])
def test_a_shipped_model_is_small(name):
    assert (folder() / name).stat().st_size < 2_000_000


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
