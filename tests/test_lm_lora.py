"""LoRA from scratch: against peft, merged and not, switched off, kept and loaded."""

import copy

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.lora import add_lora
from course_lib.training.checkpoint import CheckpointError, save_checkpoint

NAMES = ["q_proj", "v_proj", "down_proj"]
TOKENS = torch.randint(64, (3, 7), generator=torch.Generator().manual_seed(0))


def tiny_llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=64, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.3)).eval()


def with_random_b(lora):
    """Both matrices random, as after some training."""
    luck = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in lora.layers.values():
            layer.B.copy_(0.3 * torch.randn(layer.B.shape, generator=luck))
    return lora


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(TOKENS).logits


def test_forward_and_gradients_are_pefts():
    from peft import LoraConfig, get_peft_model

    model = tiny_llama()
    theirs = get_peft_model(copy.deepcopy(model), LoraConfig(
        r=3, lora_alpha=5, target_modules=NAMES, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM"))
    lora = with_random_b(add_lora(model, NAMES, rank=3, alpha=5))
    layers = {name: theirs.base_model.model.get_submodule(name) for name in lora.layers}
    for name, layer in lora.layers.items():
        layers[name].lora_A["default"].weight.data.copy_(layer.A)
        layers[name].lora_B["default"].weight.data.copy_(layer.B)
    assert theirs.get_nb_trainable_parameters()[0] == lora.parameter_count
    torch.testing.assert_close(logits(model), logits(theirs), atol=1e-5, rtol=1e-5)
    for one in (model, theirs):
        torch.nn.functional.cross_entropy(one(TOKENS).logits[:, :-1].flatten(0, 1), TOKENS[:, 1:].flatten()).backward()
    for name, layer in lora.layers.items():
        torch.testing.assert_close(layer.A.grad, layers[name].lora_A["default"].weight.grad, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(layer.B.grad, layers[name].lora_B["default"].weight.grad, atol=1e-5, rtol=1e-5)
        assert layer.A.grad.abs().max() > 1e-3


def test_it_begins_as_the_model_and_trains_nothing_else():
    model = tiny_llama()
    before, whole = logits(model), sum(weight.numel() for weight in model.parameters())
    lora = add_lora(model, NAMES, rank=2)
    assert torch.equal(logits(model), before)
    trained = {id(weight) for weight in model.parameters() if weight.requires_grad}
    assert trained == {id(weight) for weight in lora.parameters()} and len(lora.layers) == 6
    assert lora.parameter_count == 2 * 2 * ((24 + 24) + (24 + 12) + (32 + 24))      # layers x rank x (in + out)
    assert whole + lora.parameter_count == sum(weight.numel() for weight in model.parameters())


def test_as_random_as_the_seed_says():
    first, again, other = (add_lora(tiny_llama(), NAMES, seed=seed).state_dict() for seed in (3, 3, 4))
    name = "model.layers.1.mlp.down_proj.A"
    assert torch.equal(first[name], again[name]) and not torch.equal(first[name], other[name])
    assert first[name].std().item() == pytest.approx(32 ** -0.5, rel=0.2)


def test_disabled_is_the_model_from_before_to_the_bit():
    model = tiny_llama()
    before = logits(model)
    lora = with_random_b(add_lora(model, NAMES))
    adapted = logits(model)
    assert (adapted - before).abs().max() > 0.1
    with lora.disabled():
        assert torch.equal(logits(model), before)
        with lora.disabled():
            pass
        assert torch.equal(logits(model), before), "an inner block must not switch it on"
    assert torch.equal(logits(model), adapted)


def test_it_is_on_again_after_an_error():
    model = tiny_llama()
    lora = with_random_b(add_lora(model, NAMES))
    adapted = logits(model)
    with pytest.raises(KeyError), lora.disabled():
        raise KeyError
    assert torch.equal(logits(model), adapted)


def test_merged_says_the_same_and_unmerge_undoes_it_to_the_bit():
    model = tiny_llama()
    before = logits(model)
    lora = with_random_b(add_lora(model, NAMES))
    adapted, weight = logits(model), model.model.layers[0].self_attn.q_proj.base.weight
    kept = weight.clone()
    lora.merge()
    lora.merge()                                                # a second time changes nothing
    assert not torch.equal(weight, kept)
    torch.testing.assert_close(logits(model), adapted, atol=1e-5, rtol=1e-5)
    with lora.disabled():
        assert torch.equal(logits(model), before)
    with pytest.raises(CourseError, match="unmerge"):
        lora.load_state_dict(lora.state_dict())
    lora.unmerge()
    assert torch.equal(weight, kept) and torch.equal(logits(model), adapted)


def test_a_sixteen_bit_model_keeps_a_float32_adapter():
    model = tiny_llama().to(torch.bfloat16)
    before = logits(model)
    lora = with_random_b(add_lora(model, NAMES))
    assert logits(model).dtype == before.dtype == torch.bfloat16
    assert {weight.dtype for weight in lora.parameters()} == {torch.float32}
    with lora.disabled():
        assert torch.equal(logits(model), before)


def test_it_wraps_the_courses_gpt_by_the_end_of_a_name():
    gpt = GPT(GPTConfig(vocab_size=12, context=16, layers=2, heads=2, width=16), seed=1).eval()
    before = gpt(TOKENS % 12)
    lora = add_lora(gpt, ["blocks.1.attention.qkv", "mlp.widen"], rank=2)
    assert list(lora.layers) == ["blocks.0.mlp.widen", "blocks.1.attention.qkv", "blocks.1.mlp.widen"]
    assert torch.equal(gpt(TOKENS % 12), before)
    with_random_b(lora)
    assert not torch.equal(gpt(TOKENS % 12), before)


def test_turned_down_lies_between_the_two_models():
    model = tiny_llama()
    before = logits(model)
    lora = with_random_b(add_lora(model, NAMES, rank=3))
    trained, weights = logits(model), {name: layer.B @ layer.A for name, layer in lora.layers.items()}
    lora.turn_down(0.5)
    for name, layer in lora.layers.items():
        torch.testing.assert_close(layer.B @ layer.A, 0.5 * weights[name])
    assert 0 < (logits(model) - before).norm() < (trained - before).norm()
    lora.turn_down(0.0)
    assert torch.equal(logits(model), before)
    lora.merge()
    with pytest.raises(CourseError, match="unmerge"):
        lora.turn_down(0.5)


def test_kept_and_loaded_into_a_fresh_model(tmp_path):
    model, again = tiny_llama(), tiny_llama()
    lora, fresh = with_random_b(add_lora(model, NAMES)), add_lora(again, NAMES, seed=9)
    lora.save(tmp_path / "taste.pt")
    fresh.load(tmp_path / "taste.pt")
    assert torch.equal(logits(model), logits(again))
    size = sum(weight.numel() for weight in tiny_llama().parameters())
    assert (tmp_path / "taste.pt").stat().st_size < 4 * size    # the adapter alone


@pytest.mark.parametrize(("names", "rank", "alpha", "words"), [
    (NAMES[:2], 8, 16, "other layers: it holds as well 4 matrices"), ([*NAMES, "k_proj"], 8, 16, "lacks 4 matrices"),
    (NAMES, 4, 16, "rank 8 there, 4 here"), (NAMES, 8, 8, "alpha 16 there, 8 here")])
def test_an_adapter_that_does_not_fit_is_refused_whole(tmp_path, names, rank, alpha, words):
    with_random_b(add_lora(tiny_llama(), NAMES)).save(tmp_path / "taste.pt")
    model = tiny_llama()
    lora = add_lora(model, names, rank, alpha)
    before = logits(model)
    with pytest.raises(CheckpointError, match=f"does not fit this one: .*{words}.*add_lora"):
        lora.load(tmp_path / "taste.pt")
    assert torch.equal(logits(model), before)


def test_an_adapter_of_a_model_of_another_width_is_refused(tmp_path):
    lora = add_lora(GPT(GPTConfig(vocab_size=12, layers=1, heads=2, width=16)), ["qkv"])
    other = add_lora(GPT(GPTConfig(vocab_size=12, layers=1, heads=2, width=32)), ["qkv"])
    other.save(tmp_path / "wide.pt")
    with pytest.raises(CheckpointError, match=r"\(8, 32\) there and \(8, 16\) here"):
        lora.load(tmp_path / "wide.pt")


def test_what_is_no_adapter_is_refused(tmp_path):
    save_checkpoint(tmp_path / "other.pt", {"kind": "RLOO"})
    with pytest.raises(CheckpointError, match="holds no LoRA adapter"):
        add_lora(tiny_llama(), NAMES).load(tmp_path / "other.pt")


@pytest.mark.parametrize(("names", "words"), [
    (["q_pro"], "No layer of this model is called 'q_pro'. Its linear layers end in .*q_proj"),
    (["self_attn"], "LlamaAttention, and LoRA here is for linear layers only"),
    (["proj"], "No layer")])
def test_names_that_fit_nothing_are_told_and_change_nothing(names, words):
    model = tiny_llama()
    with pytest.raises(CourseError, match=words):
        add_lora(model, ["v_proj", *names])
    assert all(weight.requires_grad for weight in model.parameters())


def test_a_second_adapter_and_a_rank_of_zero_are_refused():
    model = tiny_llama()
    with pytest.raises(ValueError, match="rank 1 or more"):
        add_lora(model, NAMES, rank=0)
    add_lora(model, ["q_proj"])
    with pytest.raises(CourseError, match="has an adapter already"):
        add_lora(model, ["q_proj"])
