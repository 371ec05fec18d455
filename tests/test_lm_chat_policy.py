"""A chat model as a policy: against transformers' own forward pass, padding, adapters, trainers, bad input.

A tiny Llama with a tokenizer of its own stands in for the 135M model; one slow test reads the real one.
"""

import copy
from functools import lru_cache

import pytest
import torch
from test_lm_ppo import curve

from course_lib.errors import CourseError
from course_lib.lm import chat_policy
from course_lib.lm.chat_policy import (
    END,
    PADDING,
    ChatPolicy,
    ChatValues,
    answer_logprobs,
    load_chat_policy,
    sample_answers,
)
from course_lib.lm.dpo import DPO, DPOConfig, ipo_loss
from course_lib.lm.generate import NoProbabilities
from course_lib.lm.grpo import GRPO, GRPOConfig
from course_lib.lm.kto import KTO, Judgements, KTOConfig
from course_lib.lm.lora import add_lora
from course_lib.lm.ppo import TokenPPO, TokenPPOConfig
from course_lib.lm.rejection_sampling import RejectionSampling, RejectionSamplingConfig
from course_lib.lm.rloo import RLOO, RLOOConfig
from course_lib.lm.tokenizers import BPETokenizer
from course_lib.training import memory

QUESTIONS = ["the cat?", "a mat on the cat sat on the mat?", "on?"]
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


@lru_cache(maxsize=1)
def words():
    """A tokenizer with a chat template, as the real one has."""
    from transformers import PreTrainedTokenizerFast

    engine = copy.deepcopy(BPETokenizer.train(["the cat sat on the mat"] * 4, 262).engine)
    engine.encode_special_tokens = False
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=engine, eos_token=END, pad_token=END)
    tokenizer.add_special_tokens({"additional_special_tokens": [PADDING, "<|im_start|>"]})
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def tiny_llama(hidden=24, **changes):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=266, hidden_size=hidden, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, **{"initializer_range": 0.3, "max_position_embeddings": 64, **changes}))
    head = torch.nn.Linear(hidden, 266)                     # of the 266 tokens a dozen letters and the end are likely
    with torch.no_grad():
        head.weight.copy_(model.lm_head.weight)
        head.bias.fill_(-7.0)
        head.bias[[*range(65, 77), words().eos_token_id]] = 0.0
    model.lm_head = head
    return model.eval()


def policy(seed=1, model=None, trained=True) -> ChatPolicy:
    """A policy whose adapter has moved, as after some training."""
    model = model or tiny_llama()
    made = ChatPolicy(model, words(), add_lora(model, ["q_proj", "v_proj"], rank=2, seed=seed))
    if trained:
        luck = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in made.lora.layers.values():
                layer.B.copy_(0.5 * torch.randn(layer.B.shape, generator=luck))
    return made


def shortness(questions, answers) -> torch.Tensor:
    """A reward that needs no model."""
    return torch.tensor([-float(len(answer)) for answer in answers])


def sampled(made: ChatPolicy, copies=8, seed=0):
    prompts = made.prompts(QUESTIONS).repeat_interleave(copies, dim=0)
    return made.sample(prompts, 8, generator=torch.Generator().manual_seed(seed))


def alone(model, ids: list[int], prompt: int) -> torch.Tensor:
    """Log-probabilities of what follows the prompt, by transformers' plain forward pass of one row without padding."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].float()
    return logits.log_softmax(-1)[:-1].gather(-1, torch.tensor(ids)[1:, None])[prompt - 1:, 0]


# prompts, answers, log-probabilities


def test_prompts_are_the_chat_template_filled_up_in_front():
    made = policy()
    prompts = made.prompts(QUESTIONS)
    for question, row in zip(QUESTIONS, prompts, strict=True):
        ids = made.tokenizer(made.chat(question), add_special_tokens=False)["input_ids"]
        assert row.tolist() == [made.padding] * (len(row) - len(ids)) + ids
        assert made.tokenizer.decode(ids) == f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    assert (prompts[0] == made.padding).any() and not (prompts[1] == made.padding).any()


def test_an_answer_ends_with_its_first_end_token_and_end_tokens_follow():
    tokens, mask = sampled(policy())
    P = policy().prompts(QUESTIONS).shape[1]
    eos, seen = policy().eos, set()
    for row, keep in zip(tokens[:, P:].tolist(), mask.tolist(), strict=True):
        written = row.index(eos) + 1 if eos in row else len(row)
        assert keep == [False] * (P - 1) + [True] * written + [False] * (len(row) - written)
        assert set(row[written:]) <= {eos}
        seen.add(written)
    assert len(seen) > 3


@pytest.mark.parametrize("adapted", [True, False])
def test_log_probabilities_are_those_of_a_plain_forward_pass_of_each_row_alone(adapted):
    made = policy()
    tokens, mask = sampled(made)
    found = (made if adapted else made.reference).logprobs(tokens, mask)
    plain = tiny_llama() if not adapted else made.model
    for row, keep, ours in zip(tokens, mask, found, strict=True):
        ids = [token for token in row[:int(keep.nonzero().max()) + 2].tolist() if token != made.padding]
        theirs = alone(plain, ids, len(ids) - int(keep.sum()))
        torch.testing.assert_close(ours[keep], theirs, atol=1e-4, rtol=1e-4)
    assert (found[~mask] == 0).all() and found.requires_grad == adapted


def test_what_is_sampled_comes_from_the_distribution_that_is_read():
    """Many answers of one token to one question: their frequencies are exp(log-probability), in a padded row too."""
    made = policy()
    prompts = made.prompts(QUESTIONS)[:1].repeat(4_000, 1)
    tokens, mask = made.sample(prompts, 1, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(tokens[:, -1], minlength=266) / len(tokens)
    likely = counts.topk(4).indices
    rows = torch.cat([prompts[:4], likely[:, None]], dim=1)
    found = made.logprobs(rows, mask[:4])[:, -1].exp().detach()
    torch.testing.assert_close(counts[likely], found, atol=0.03, rtol=0.1)


def test_with_the_cache_and_rows_taken_out_greedy_answers_are_those_of_reading_everything_anew():
    made = policy()
    made.temperature = 1e-6
    prompts = made.prompts(QUESTIONS)
    tokens, mask = made.sample(prompts, 8)
    for row, keep in zip(tokens, mask, strict=True):
        ids = [token for token in row[:int(keep.nonzero().max()) + 2].tolist() if token != made.padding]
        for place in range(len(ids) - int(keep.sum()), len(ids)):
            with torch.no_grad():
                assert made.model(torch.tensor([ids[:place]])).logits[0, -1].argmax() == ids[place]


def test_a_policy_draws_and_scores_at_its_temperature_and_so_does_its_reference():
    plain, cool = policy(), policy()
    cool.temperature = 0.5
    tokens, mask = sampled(cool)
    found = cool.logprobs(tokens, mask).detach()
    with torch.no_grad():
        logits = plain.model.lm_head(plain.hidden(tokens)).float()[:, :-1]                  # (B, L - 1, V)
    expected = (logits / 0.5).log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    torch.testing.assert_close(found[mask], expected[mask], atol=1e-5, rtol=1e-4)
    assert cool.reference.temperature == 0.5
    with pytest.raises(ValueError, match="above 0"):
        ChatPolicy(cool.model, words(), cool.lora, temperature=0)


def test_a_system_message_stands_before_every_chat():
    made = policy()
    made.system = "the cat."
    assert made.chat("on?").startswith("<|im_start|>system\nthe cat.<|im_end|>\n<|im_start|>user\non?")
    assert made.reference.chat("on?") == made.chat("on?")


def test_rows_that_are_done_are_no_longer_read():
    made, read = policy(), []
    made.model.model.register_forward_hook(lambda _, __, out: read.append(len(out.last_hidden_state)))
    _, mask = sampled(made)
    going = [24, *mask[:, -len(read):].sum(0).tolist()[1:]]
    assert read == going and read[-1] < 24


def test_the_same_seed_writes_the_same_answers():
    first, again, other = (sampled(policy(), seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and first.shape != other.shape or not torch.equal(first, other)


def test_questions_and_answers_are_read_back():
    made = policy()
    tokens, mask = sampled(made)
    questions, answers = made.questions_and_answers(tokens, mask)
    assert questions == [question for question in QUESTIONS for _ in range(8)]
    for row, keep, answer in zip(tokens, mask, answers, strict=True):
        assert answer == made.tokenizer.decode(row[1:][keep], skip_special_tokens=True).strip() and END not in answer


# policy and reference


def test_the_reference_is_the_base_model_and_nothing_of_it_learns():
    made = policy()
    tokens, mask = sampled(made)
    assert not list(made.reference.parameters()) and len(list(made.parameters())) == 8
    fresh = policy(trained=False)
    torch.testing.assert_close(made.reference.logprobs(tokens, mask), fresh.logprobs(tokens, mask).detach())
    assert not torch.allclose(made.logprobs(tokens, mask), fresh.logprobs(tokens, mask))
    assert made.reference.model is made.model


def test_gradients_reach_the_adapter_and_nothing_else_and_padding_leaves_them_alone():
    made = policy()
    tokens, mask = sampled(made)
    made.logprobs(tokens, mask).sum().backward()
    whole = {name: layer.B.grad.clone() for name, layer in made.lora.layers.items()}
    assert all(weight.grad is None for weight in made.model.parameters() if not weight.requires_grad)
    made.zero_grad()
    for row, keep in zip(tokens, mask, strict=True):
        start = int((row != made.padding).nonzero()[0])
        made.logprobs(row[None, start:], keep[None, start:]).sum().backward()
    for name, layer in made.lora.layers.items():
        torch.testing.assert_close(layer.B.grad, whole[name], atol=1e-3, rtol=1e-3)
        assert whole[name].abs().max() > 0.01


def test_completions_hold_what_the_policy_will_read_and_the_answers():
    made = policy()
    prompts = made.prompts(QUESTIONS).repeat_interleave(4, dim=0)
    asked = []

    def reward(questions, answers):
        asked.extend(questions)
        return shortness(questions, answers)

    batch = sample_answers(made, made.reference, prompts, reward, made.tokenizer, 8, torch.Generator().manual_seed(0))
    torch.testing.assert_close(batch.logprobs, made.logprobs(batch.tokens, batch.mask).detach())
    torch.testing.assert_close(batch.reference_logprobs, made.reference.logprobs(batch.tokens, batch.mask))
    assert asked == [question for question in QUESTIONS for _ in range(4)]
    assert batch.rewards.tolist() == [-len(text) for text in batch.texts] and not batch.logprobs.requires_grad


# the trainers


def run_of(kind, path=None, **changes):
    """A short run of one trainer on the chat policy."""
    made = policy(trained=False)
    online = {"updates": 4, "batch_size": 12, "samples_per_prompt": 4, "max_new_tokens": 6, "minibatch_size": 6,
              "learning_rate": 3e-2, "checkpoint_every": 2, "seed": 3, **changes}
    if kind in (RLOO, GRPO, RejectionSampling):
        config = {RLOO: RLOOConfig, GRPO: GRPOConfig, RejectionSampling: RejectionSamplingConfig}[kind](**online)
        return kind(made, made.reference, made.prompts(QUESTIONS), shortness, made.tokenizer, config, path,
                    sample=sample_answers, logprobs=answer_logprobs)
    if kind is TokenPPO:
        config = TokenPPOConfig(**{**online, "samples_per_prompt": 1}, value_learning_rate=1e-2)
        return TokenPPO(made, made.reference, ChatValues(made), made.prompts(QUESTIONS), shortness, made.tokenizer,
                        config, path, sample=sample_answers, logprobs=answer_logprobs)
    pairs = made.pairs(QUESTIONS, ["cat", "mat", "sat"], ["the the the", "on on on on", "at at"], torch.ones(3), 20)
    offline = {"updates": 6, "batch_size": 2, "learning_rate": 3e-2, "checkpoint_every": 2, "seed": 3, **changes}
    if kind is DPO:
        return DPO(made, made.reference, pairs, made.eos, DPOConfig(**offline), path, logprobs=answer_logprobs)
    return KTO(made, made.reference, Judgements.of_pairs(pairs), made.eos, KTOConfig(**offline), path,
               logprobs=answer_logprobs)


@pytest.mark.parametrize("kind", [RLOO, GRPO, RejectionSampling, TokenPPO])
def test_sampling_trainers_raise_its_reward(kind):
    run = run_of(kind, updates=25, batch_size=48, minibatch_size=24 if kind is not RejectionSampling else 6)
    list(run.train())
    first, last = run.history[0], run.history[-1]
    assert last.reward > first.reward + 2, (first.reward, last.reward)
    assert first.kl_from_reference == pytest.approx(0, abs=1e-4) and last.kl_from_reference > 0.1
    if kind is not RejectionSampling:
        assert run_of(kind, epochs=1, minibatch_size=12).update().clip_fraction == 0


@pytest.mark.parametrize("kind", [DPO, KTO])
def test_it_learns_from_preferences(kind):
    run = run_of(kind, updates=40, beta=0.3)
    list(run.train())
    assert run.history[-1].loss < 0.5 * run.history[0].loss and run.history[-1].margin > 0.5


def test_ipo_too():
    run = run_of(DPO, updates=40, beta=0.3)
    run.loss = ipo_loss
    list(run.train())
    assert run.history[-1].loss < 0.1 * run.history[0].loss


def test_the_value_head_reads_the_reference_and_alone_learns():
    made = policy()
    values, tokens = ChatValues(made), sampled(made)[0]
    assert (values.at_each_token(tokens) == 0).all() and set(values.state_dict()) == {"head.weight", "head.bias"}
    torch.nn.init.normal_(values.head.weight)
    found = values.at_each_token(tokens)
    row = tokens[0][tokens[0] != made.padding]
    with torch.no_grad():
        expected = values.head(tiny_llama().model(row[None]).last_hidden_state).squeeze(-1)
    torch.testing.assert_close(found[:1, -len(row):], expected, atol=1e-4, rtol=1e-4)
    found.sum().backward()
    assert values.head.weight.grad.abs().sum() > 0 and all(weight.grad is None for weight in made.model.parameters())


@pytest.mark.parametrize("kind", [RLOO, GRPO, RejectionSampling, TokenPPO, DPO, KTO])
def test_a_stopped_run_goes_on_to_the_identical_curve_and_keeps_the_adapter_alone(kind, tmp_path):
    whole, cut = run_of(kind), run_of(kind, tmp_path / "run.pt")
    list(whole.train())
    list(cut.train(until=3))
    assert (tmp_path / "run.pt").stat().st_size < 60_000
    again = run_of(kind, tmp_path / "run.pt")
    assert again.updates == 3
    list(again.train())
    assert curve(again) == curve(whole)


# bad input


@pytest.mark.parametrize(("question", "words"), [("  ", "A question is empty"), (f"Hi {END}", "leave it out")])
def test_questions_that_will_not_do(question, words):
    with pytest.raises(CourseError, match=words):
        policy().prompts(["the cat?", question])


def test_no_questions_and_one_text_in_place_of_a_list():
    for questions in ([], "the cat?"):
        with pytest.raises(ValueError, match="put a single text in brackets"):
            policy().prompts(questions)


@pytest.mark.parametrize(("first", "mu", "words"), [
    (["cat", " ", "sat"], [1.0] * 3, "An answer is empty"), (["cat", "mat", "sat " * 9], [1.0] * 3, "more than 8"),
    (["cat"] * 3, [0.5] * 3, "All 3 pairs are ties"), (["cat"] * 3, [float("nan")] * 3, "not nan")])
def test_pairs_that_will_not_do(first, mu, words):
    with pytest.raises(CourseError, match=words):
        policy().pairs(QUESTIONS, first, ["mat"] * 3, torch.tensor(mu), 8)


def test_a_prompt_too_long_is_told_before_anything_is_written():
    made = policy()
    long = made.prompts(["the cat " * 30])
    with pytest.raises(CourseError, match="the model reads 64. Shorten the question"):
        made.sample(long, 8)
    with pytest.raises(CourseError, match="the model reads 64"):
        made.logprobs(long, torch.ones(1, long.shape[1] - 1, dtype=torch.bool))
    with pytest.raises(ValueError, match="at least one new token"):
        made.sample(made.prompts(QUESTIONS), 0)


def test_a_model_that_says_nan_is_told():
    made = policy()
    with torch.no_grad():
        next(made.parameters()).fill_(float("nan"))
    with pytest.raises(NoProbabilities, match="not numbers"):
        sampled(made)
    other = policy()
    with torch.no_grad():
        other.model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(CourseError, match="not a number"):
        list(replace_reference(run_of(DPO), other.reference).train())


def replace_reference(run, reference):
    """The run with another reference, not read yet."""
    run.reference = reference
    return run


def test_a_reward_of_another_shape_is_refused():
    made = policy()
    with pytest.raises(ValueError, match="one number an answer"):
        sample_answers(made, made.reference, made.prompts(QUESTIONS), lambda *_: torch.zeros(2), made.tokenizer, 4)


def test_it_is_loaded_with_an_adapter_on_the_last_layers(monkeypatch):
    monkeypatch.setattr(chat_policy, "load_pretrained", lambda dtype: tiny_llama())
    monkeypatch.setattr(chat_policy, "load_tokenizer", words)
    made = load_chat_policy(layers=1, rank=3)
    assert sorted(made.lora.layers) == [f"model.layers.1.self_attn.{part}" for part in ("o_proj", "q_proj", "v_proj")]
    assert made.lora.rank == 3
    with pytest.raises(ValueError, match="1 to 2 layers, not 3"):
        load_chat_policy(layers=3)


def test_too_little_memory_is_said_before_anything_is_loaded(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2**30)
    monkeypatch.setattr(chat_policy, "load_pretrained", lambda dtype: pytest.fail("loaded all the same"))
    with pytest.raises(CourseError, match=r"needs about 2.5 GiB of memory, and 1.0 GiB are free"):
        load_chat_policy()


# the real one


@pytest.mark.slow
def test_the_real_model_answers_and_says_what_transformers_says():
    made = load_chat_policy(dtype=torch.float32)
    prompts = made.prompts(["Write one short sentence about rain.", "What is the capital of France?"])
    made.temperature = 1e-6
    tokens, mask = made.sample(prompts, 12)
    _, answers = made.questions_and_answers(tokens, mask)
    assert "Paris" in answers[1]
    made.temperature = 1.0
    found = made.logprobs(tokens, mask).detach()
    for row, keep, ours in zip(tokens, mask, found, strict=True):
        ids = row[int((row != made.padding).nonzero()[0]):int(keep.nonzero().max()) + 2].tolist()
        torch.testing.assert_close(ours[keep], alone(made.model, ids, len(ids) - int(keep.sum())), atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        before = made.reference.logprobs(tokens, mask)
        next(iter(made.lora.layers.values())).B.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
        assert torch.equal(made.reference.logprobs(tokens, mask), before)
        assert not torch.allclose(made.logprobs(tokens, mask), before, atol=1e-3)
