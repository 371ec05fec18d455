"""The GPT: causal, equal to transformers' GPT-2 both ways, the same with plain and with fast attention."""

import json

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm.generate import token_logprobs
from course_lib.lm.gpt import GPT, ByteDropout, GPTConfig, causal_attention, causal_mask, fast_causal_attention
from course_lib.lm.hf_format import load_hf, save_hf

SMALL = GPTConfig(vocab_size=50, context=24, layers=3, heads=4, width=32)


def tokens(*shape: int) -> torch.Tensor:
    return torch.randint(50, shape, generator=torch.Generator().manual_seed(0))


def qkv(queries: int, keys: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, 3, n, 8, generator=generator).to(dtype) for n in (queries, keys, keys)]


def test_a_position_sees_itself_and_what_came_before():
    assert causal_mask(2, 4).tolist() == [[False, False, False, True], [False, False, False, False]]


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (7, 7), (1, 9), (3, 9)])
def test_plain_and_fast_attention_are_torchs_own(queries, keys):
    q, k, v = qkv(queries, keys)
    torchs = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=~causal_mask(queries, keys))
    torch.testing.assert_close(causal_attention(q, k, v), torchs)
    torch.testing.assert_close(fast_causal_attention(q, k, v), torchs)


def test_plain_and_fast_attention_have_the_same_gradients():
    gradients = []
    for attention in (causal_attention, fast_causal_attention):
        parts = [part.requires_grad_() for part in qkv(6, 6)]
        gradients.append(torch.autograd.grad(attention(*parts).square().sum(), parts))
    for plain, fast in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, fast)


def test_fast_attention_in_sixteen_bits_stays_near():
    exact = causal_attention(*qkv(6, 6))
    assert (fast_causal_attention(*qkv(6, 6, torch.bfloat16)).float() - exact).abs().max() < 0.05


def test_what_comes_later_changes_nothing_before():
    model, x = GPT(SMALL), tokens(2, 10)
    other = x.clone()
    other[:, 6:] = (other[:, 6:] + 1) % 50
    same = (model(x) - model(other)).abs().amax(dim=(0, 2)) == 0
    assert same.tolist() == [True] * 6 + [False] * 4


def test_the_model_takes_another_attention():
    x = tokens(2, 10)
    torch.testing.assert_close(GPT(SMALL, causal_attention)(x), GPT(SMALL)(x))
    assert not GPT(SMALL, lambda q, k, v: v)(x).allclose(GPT(SMALL)(x))


def test_the_first_weights_come_from_the_seed_alone():
    torch.manual_seed(5)
    first = GPT(SMALL, seed=1)(tokens(1, 4))
    torch.manual_seed(6)
    second = GPT(SMALL, seed=1)(tokens(1, 4))
    assert first.equal(second) and not first.equal(GPT(SMALL, seed=2)(tokens(1, 4)))


def test_the_character_model_has_its_size():
    assert 0.82e6 < GPT(GPTConfig()).parameter_count < 0.85e6


def test_an_untrained_model_knows_nothing():
    logprobs = token_logprobs(GPT(SMALL)(tokens(8, 24)), tokens(8, 24))
    assert abs(-logprobs.mean().item() - torch.tensor(50.0).log().item()) < 0.05


def test_logprobs_belong_to_the_next_token():
    logits = torch.zeros(1, 3, 4)
    logits[0, 0, 2] = 9.0                       # after the first token: surely a 2
    got = token_logprobs(logits, torch.tensor([[1, 2, 3]]))
    assert got.shape == (1, 2)
    assert got[0, 0] > -0.01 and abs(got[0, 1] + torch.tensor(4.0).log()) < 1e-6


def test_logits_are_those_of_transformers_when_saved(tmp_path):
    from transformers import GPT2LMHeadModel

    ours = GPT(SMALL, seed=3).eval()
    save_hf(ours, tmp_path)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    x = tokens(3, 24)
    torch.testing.assert_close(ours(x), theirs(x).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("part", ["with its head", "without"])
def test_logits_are_those_of_transformers_when_loaded(tmp_path, part):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    shape = GPT2Config(vocab_size=50, n_positions=24, n_embd=48, n_layer=2, n_head=6, bos_token_id=0, eos_token_id=0)
    theirs = GPT2LMHeadModel(shape).eval()
    with torch.no_grad():                       # biases and norms that are not 0 and 1
        for weight in theirs.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    (theirs if part == "with its head" else theirs.transformer).save_pretrained(tmp_path)
    x = tokens(3, 24)
    torch.testing.assert_close(load_hf(tmp_path)(x), theirs(x).logits, atol=1e-4, rtol=0)


def test_saved_and_loaded_is_the_same_to_the_last_bit(tmp_path):
    ours = GPT(SMALL, seed=4)
    save_hf(ours, tmp_path)
    again = load_hf(tmp_path)
    assert all(weight.equal(again.state_dict()[name]) for name, weight in ours.state_dict().items())


@pytest.mark.parametrize(("field", "value", "says"), [
    ("model_type", "llama", "model_type is 'llama'"),
    ("activation_function", "relu", "activation_function is 'relu'"),
    ("n_inner", 7, "n_inner is 7, not 128"),
    ("n_layer", 4, "another model"),
    ("n_embd", 64, "another model"),
])
def test_another_model_is_refused_in_words(tmp_path, field, value, says):
    save_hf(GPT(SMALL), tmp_path)
    facts = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(facts | {field: value}))
    with pytest.raises(CourseError, match=says):
        load_hf(tmp_path)


@pytest.mark.parametrize(("name", "content"), [("config.json", b"{"), ("model.safetensors", b"abc")])
def test_a_damaged_file_is_refused_in_words(tmp_path, name, content):
    save_hf(GPT(SMALL), tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CourseError, match="damaged"):
        load_hf(tmp_path)


def test_a_folder_without_a_model_is_refused_in_words(tmp_path):
    with pytest.raises(CourseError, match="save_pretrained"):
        load_hf(tmp_path / "nothing")


@pytest.mark.parametrize("length", [0, 25])
def test_too_few_or_too_many_tokens_are_refused_in_words(length):
    with pytest.raises(CourseError, match=f"1 to 24 tokens in all and was given {length}"):
        GPT(SMALL)(torch.zeros(1, length, dtype=torch.long))


def test_heads_must_share_the_width():
    with pytest.raises(ValueError, match="5 heads"):
        GPTConfig(width=32, heads=5)


def test_dropout_leaves_out_its_share_keeps_the_mean_and_repeats_under_a_seed():
    dropout, x = ByteDropout(0.25), torch.ones(1_001, 101)
    torch.manual_seed(0)
    once = dropout(x)
    assert abs((once == 0).float().mean().item() - 0.25) < 0.005
    assert abs(once.mean().item() - 1) < 0.01
    torch.manual_seed(0)
    assert torch.equal(dropout(x), once)
    assert torch.equal(dropout.eval()(x), x)


def test_dropout_refuses_a_share_that_leaves_nothing():
    with pytest.raises(ValueError, match="less than 1"):
        ByteDropout(1.0)(torch.ones(3))
