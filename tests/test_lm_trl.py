"""Log-probabilities, KL, advantages and losses against trl's own trainers, fed with the same texts or numbers."""

import copy
from types import SimpleNamespace

import pytest
import torch

from course_lib.lm.dpo import dpo_loss, implicit_rewards, ipo_loss
from course_lib.lm.generate import completion_logprobs, token_logprobs
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.grpo import group_advantages, grpo_loss, token_weights
from course_lib.lm.hf_format import save_hf
from course_lib.lm.kl import token_rewards
from course_lib.lm.kto import kto_baseline, kto_loss
from course_lib.lm.tokenizers import BPETokenizer
from course_lib.rl.objectives import clipped_policy_loss, k3, leave_one_out, masked_mean

PIECES = BPETokenizer.train(["the cat sat on the mat"] * 4, 262)
SHAPE = GPTConfig(vocab_size=262, context=32, layers=2, heads=2, width=16)
PROMPTS = ["xy", "zu"]                            # two tokens each, so that nothing is padded in front
BETA, CLIP = 0.3, 0.2


def token_by_token(model: GPT, tokens: torch.Tensor) -> torch.Tensor:
    """Log-probability of every token but the first, (B, L - 1)."""
    return token_logprobs(model(tokens), tokens)


def far_from_uniform(seed: int) -> GPT:
    """A GPT that does not find all tokens alike, and about one time in five ends the text."""
    model = GPT(SHAPE, seed=seed).eval()
    luck = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=luck))
        end = model.token_embedding.weight[0]
        model.norm.bias.copy_(end * (5.0 / end.square().sum()))
    return model


def as_transformers(model: GPT, folder):
    from transformers import GPT2LMHeadModel

    save_hf(model, folder)
    return GPT2LMHeadModel.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Our policy and reference, theirs with the same weights, and what every trainer of trl wants."""
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("trl")
    policy, reference = far_from_uniform(1), far_from_uniform(2)
    words = PreTrainedTokenizerFast(tokenizer_object=copy.deepcopy(PIECES.engine), eos_token="<|endoftext|>",
                                    pad_token="<|endoftext|>", bos_token="<|endoftext|>")
    plain = {"output_dir": str(folder), "use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True}
    return SimpleNamespace(
        policy=policy, reference=reference, their_policy=as_transformers(policy, folder / "policy"),
        their_reference=as_transformers(reference, folder / "reference"), words=words, plain=plain,
        online={**plain, "per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 6,
                "temperature": 1.0, "top_k": 0, "top_p": 1.0, "beta": BETA},
        prompts=Dataset.from_list([{"prompt": prompt} for prompt in PROMPTS]))


def letters(prompts, completions, **_) -> list[float]:
    """A reward that needs no model."""
    return [float(len(set(text))) for text in completions]


def ours(written: dict) -> tuple[torch.Tensor, torch.Tensor, int]:
    """(tokens, mask, prompt length) in our shapes of what a trainer of trl generated."""
    P, content = written["prompt_ids"].shape[1], written["completion_mask"].bool()
    tokens = torch.cat([written["prompt_ids"], written["completion_ids"]], dim=1)       # (B, L)
    mask = torch.cat([torch.zeros(len(tokens), P - 1, dtype=torch.bool), content], dim=1)
    return tokens, mask, P


@pytest.fixture(scope="module")
def rloo(parts):
    """trl's RLOO trainer, and eight completions that it wrote and judged."""
    from trl import RLOOConfig, RLOOTrainer

    trainer = RLOOTrainer(model=copy.deepcopy(parts.their_policy), reward_funcs=letters, train_dataset=parts.prompts,
                          processing_class=parts.words, args=RLOOConfig(**parts.online, epsilon=CLIP))
    trainer.ref_model.load_state_dict(parts.their_reference.state_dict())
    torch.manual_seed(0)
    with torch.no_grad():
        written = trainer._generate_and_score_completions([{"prompt": text} for text in PROMPTS for _ in range(4)])
    lengths = written["completion_mask"].sum(1)
    assert lengths.min() < lengths.max(), "the test needs texts of several lengths"
    return trainer, written


def test_a_completions_log_probability_is_that_of_trls_rloo(parts, rloo):
    tokens, mask, P = ours(rloo[1])
    per_token = (token_by_token(parts.policy, tokens) * mask).sum(1)
    torch.testing.assert_close(per_token, rloo[1]["old_logps"], atol=1e-4, rtol=1e-5)
    whole = completion_logprobs(parts.policy(tokens), tokens, P, eos=0)
    torch.testing.assert_close(whole, rloo[1]["old_logps"], atol=1e-4, rtol=1e-5)


def test_rewards_less_kl_and_leave_one_out_are_those_of_trls_rloo(parts, rloo):
    tokens, mask, P = ours(rloo[1])
    texts = parts.words.batch_decode(rloo[1]["completion_ids"], skip_special_tokens=True)
    per_token = token_rewards(torch.tensor(letters(None, texts)), token_by_token(parts.policy, tokens),
                           token_by_token(parts.reference, tokens), mask, BETA)
    advantages = leave_one_out(per_token.sum(1).view(-1, 4)).flatten()
    torch.testing.assert_close(advantages, rloo[1]["advantages"], atol=1e-4, rtol=1e-4)


def test_at_the_first_step_our_loss_pulls_as_trls_rloo_does(parts, rloo):
    """Ours is a mean over choices, theirs over texts: the same direction, with a factor between them."""
    trainer, written = rloo
    tokens, mask, _ = ours(written)
    loss = trainer._compute_loss(trainer.model, written)
    theirs, = torch.autograd.grad(loss, [trainer.model.transformer.wte.weight])
    logprobs = token_by_token(parts.policy, tokens)
    weights = written["advantages"][:, None].expand(mask.shape)
    mean = clipped_policy_loss(logprobs, logprobs.detach(), weights, CLIP, mask)
    mine, = torch.autograd.grad(mean * mask.sum() / len(mask), [parts.policy.token_embedding.weight])
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("clip", [CLIP, 0.05])
def test_the_clipped_loss_over_masked_tokens_is_trls(parts, rloo, clip):
    """trl's GRPO with a mean over all tokens of a batch ("bnpo"), an advantage for each token, and k3 in the loss."""
    from trl import GRPOConfig, GRPOTrainer

    trainer = GRPOTrainer(model=copy.deepcopy(parts.their_policy), reward_funcs=letters, train_dataset=parts.prompts,
                          processing_class=parts.words,
                          args=GRPOConfig(**parts.online, epsilon=clip, loss_type="bnpo", use_bias_correction_kl=False))
    tokens, mask, P = ours(rloo[1])
    luck = torch.Generator().manual_seed(3)
    logprobs, reference = token_by_token(parts.policy, tokens), token_by_token(parts.reference, tokens).detach()
    old = logprobs.detach() + 0.3 * torch.randn(mask.shape, generator=luck)
    weights = torch.randn(mask.shape, generator=luck)
    theirs = trainer._compute_loss(trainer.model.eval(), {
        **rloo[1], "advantages": weights[:, P - 1:], "old_per_token_logps": old[:, P - 1:],
        "ref_per_token_logps": reference[:, P - 1:]})
    clipped = clipped_policy_loss(logprobs, old, weights, clip, mask)
    mine = clipped + BETA * masked_mean(k3(logprobs, reference), mask)
    assert clipped.item() != pytest.approx(clipped_policy_loss(logprobs, old, weights, 9.0, mask).item(), abs=1e-3)
    assert mine.item() == pytest.approx(theirs.item(), abs=1e-5)
    gradients = [torch.autograd.grad(loss, [weight])[0] for loss, weight in (
        (mine, parts.policy.token_embedding.weight), (theirs, trainer.model.transformer.wte.weight))]
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)
    distance = masked_mean(k3(logprobs, reference), mask).item()
    assert distance == pytest.approx(trainer._metrics["eval"]["kl"][0], abs=1e-4)


def test_log_probabilities_of_answers_are_those_of_trls_dpo(parts):
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    pairs = Dataset.from_list([{"prompt": PROMPTS[0], "chosen": " cat sat", "rejected": " mat"},
                               {"prompt": PROMPTS[1], "chosen": " on", "rejected": " on the the mat"}])
    trainer = DPOTrainer(model=copy.deepcopy(parts.their_policy), ref_model=copy.deepcopy(parts.their_reference),
                         train_dataset=pairs, processing_class=parts.words, args=DPOConfig(**parts.plain))
    rows = trainer.data_collator(list(trainer.train_dataset))
    lengths = rows["completion_mask"].sum(1)
    assert (rows["input_ids"][rows["completion_mask"].bool()] == 0).sum() == 4 and lengths.unique().numel() > 2
    for model, their_model in ((parts.policy, trainer.model), (parts.reference, trainer.ref_model)):
        theirs = torch.cat(trainer.compute_ref_log_probs(their_model, rows))            # chosen, then rejected
        found = completion_logprobs(model(rows["input_ids"]), rows["input_ids"], 2, eos=0)
        torch.testing.assert_close(found, theirs, atol=1e-4, rtol=1e-5)


# the losses on preferences: trl's own code, fed with random log-probabilities and masks in double precision


def random_rows(seed: int) -> SimpleNamespace:
    """Four rows of a policy and of a reference: log-probabilities (4, L - 1), 0 outside the mask, as trl's are."""
    luck = torch.Generator().manual_seed(seed)
    prompts, lengths = torch.randint(1, 4, (4, 1), generator=luck), torch.randint(1, 6, (4, 1), generator=luck)
    place = torch.arange(1, 10)
    mask = (place >= prompts) & (place < prompts + lengths)                             # (4, 9)
    policy, reference = -3 * torch.rand(2, 4, 9, generator=luck, dtype=torch.float64) * mask
    return SimpleNamespace(policy=policy.requires_grad_(), reference=reference, mask=mask,
                           whole=torch.cat([torch.zeros(4, 1, dtype=torch.bool), mask], dim=1).long())


def says(logprobs: torch.Tensor):
    """A model of trl's that says these log-probabilities of whatever it is given."""
    nothing = torch.zeros_like(logprobs).detach()
    return lambda **_: SimpleNamespace(log_probs=logprobs, entropy=nothing, mean_logits=nothing,
                                       is_top1=nothing.bool())


@pytest.fixture(scope="module")
def dpo_trainer(parts):
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    pairs = Dataset.from_list([{"prompt": PROMPTS[0], "chosen": " cat sat", "rejected": " mat"}])
    return DPOTrainer(model=copy.deepcopy(parts.their_policy), ref_model=copy.deepcopy(parts.their_reference),
                      train_dataset=pairs, processing_class=parts.words, args=DPOConfig(**parts.plain))


@pytest.mark.parametrize(("kind", "mine"), [("sigmoid", dpo_loss), ("ipo", ipo_loss)])
@pytest.mark.parametrize("seed", range(5))
def test_the_losses_on_pairs_are_trls(dpo_trainer, kind, mine, seed, monkeypatch):
    rows = random_rows(seed)
    monkeypatch.setattr(dpo_trainer, "loss_types", [kind])
    monkeypatch.setattr(dpo_trainer, "beta", BETA)
    monkeypatch.setattr(dpo_trainer, "ref_model", says(rows.reference))
    theirs = dpo_trainer._compute_loss(says(rows.policy), {
        "input_ids": torch.zeros_like(rows.whole), "attention_mask": rows.whole, "completion_mask": rows.whole}, False)
    lengths = rows.mask.sum(1) if kind == "ipo" else 1              # trl's IPO takes means over tokens
    chosen, rejected = (rows.policy.sum(1) / lengths).chunk(2)      # trl's rows: chosen, then rejected
    reference_chosen, reference_rejected = (rows.reference.sum(1) / lengths).chunk(2)
    loss = mine(chosen, rejected, reference_chosen, reference_rejected, torch.ones(2), BETA)
    assert loss.item() == pytest.approx(theirs.item(), abs=1e-6)
    gradients = [torch.autograd.grad(one, rows.policy)[0] for one in (loss, theirs)]
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-6)
    flipped = mine(rejected, chosen, reference_rejected, reference_chosen, torch.zeros(2), BETA)
    assert flipped.item() == pytest.approx(theirs.item(), abs=1e-6)
    margin = implicit_rewards(*(one.sum(1) for one in (rows.policy, rows.reference)), BETA).chunk(2)
    told = dpo_trainer._metrics["train" if dpo_trainer.model.training else "eval"]
    assert (margin[0] - margin[1]).mean().item() == pytest.approx(told["rewards/margins"][-1], abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_on_judgements_is_trls(parts, seed):
    from datasets import Dataset
    from trl import KTOConfig, KTOTrainer

    data = Dataset.from_list([{"prompt": PROMPTS[0], "completion": " cat sat", "label": True},
                              {"prompt": PROMPTS[1], "completion": " mat", "label": False}])
    trainer = KTOTrainer(
        model=copy.deepcopy(parts.their_policy), ref_model=copy.deepcopy(parts.their_reference), train_dataset=data,
        processing_class=parts.words, args=KTOConfig(**parts.plain, beta=BETA, desirable_weight=1.3,
                                                     undesirable_weight=0.7, per_device_train_batch_size=2))
    rows, mismatched = random_rows(seed), random_rows(seed + 50)
    good = torch.tensor([True, False, False, True])

    def reads(own: torch.Tensor, others: torch.Tensor):
        return lambda input_ids, **_: says(others if input_ids.any() else own)()

    trainer.ref_model = reads(rows.reference, mismatched.reference)
    theirs = trainer._compute_loss(reads(rows.policy, mismatched.policy), {
        "input_ids": torch.zeros_like(rows.whole), "attention_mask": rows.whole, "completion_mask": rows.whole,
        "KL_input_ids": torch.ones_like(rows.whole), "KL_attention_mask": rows.whole,
        "KL_completion_mask": mismatched.whole, "label": good}, False)
    baseline = kto_baseline(mismatched.policy.sum(1), mismatched.reference.sum(1))
    loss = kto_loss(rows.policy.sum(1), rows.reference.sum(1), good, baseline, BETA, 1.3, 0.7)
    assert loss.item() == pytest.approx(theirs.item(), abs=1e-6)
    gradients = [torch.autograd.grad(one, rows.policy)[0] for one in (loss, theirs)]
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-6)
    assert not baseline.requires_grad


@pytest.fixture(scope="module")
def grpo_trainer(parts):
    from trl import GRPOConfig, GRPOTrainer

    trainer = GRPOTrainer(
        model=copy.deepcopy(parts.their_policy), reward_funcs=letters, train_dataset=parts.prompts,
        processing_class=parts.words, args=GRPOConfig(**parts.online, epsilon=CLIP, use_bias_correction_kl=False))
    trainer.model.eval()
    return trainer


@pytest.mark.parametrize(("kind", "aggregation"), [
    ("grpo", "completions"), ("bnpo", "tokens"), ("dr_grpo", "constant")])
@pytest.mark.parametrize("seed", range(3))
def test_grpos_losses_are_trls(grpo_trainer, kind, aggregation, seed, monkeypatch):
    rows, luck = random_rows(seed), torch.Generator().manual_seed(seed)
    old = (rows.policy + 0.3 * torch.randn(4, 9, generator=luck, dtype=torch.float64)).detach() * rows.mask
    advantages = torch.randn(4, generator=luck, dtype=torch.float64)
    monkeypatch.setattr(grpo_trainer, "loss_type", kind)
    monkeypatch.setattr(grpo_trainer, "_get_per_token_logps_and_entropies",
                        lambda *_, **__: (rows.policy, torch.zeros_like(rows.policy), None))
    prompt, written = torch.zeros(4, 1, dtype=torch.long), torch.ones(4, 9, dtype=torch.long)
    theirs = grpo_trainer._compute_loss(grpo_trainer.model, {
        "prompt_ids": prompt, "prompt_mask": prompt + 1, "completion_ids": written, "completion_mask": rows.mask.long(),
        "advantages": advantages, "old_per_token_logps": old, "ref_per_token_logps": rows.reference})
    weights = token_weights(rows.mask, aggregation, grpo_trainer.max_completion_length)
    loss = grpo_loss(rows.policy, old, rows.reference, advantages, rows.mask, weights, CLIP, BETA)
    assert loss.item() == pytest.approx(theirs.item(), abs=1e-6)
    gradients = [torch.autograd.grad(one, rows.policy)[0] for one in (loss, theirs)]
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-6)
    free = grpo_loss(rows.policy, old, rows.reference, advantages, rows.mask, weights, 9.0, BETA)
    assert abs(free.item() - theirs.item()) > 1e-4, "the test needs ratios that are clipped"


@pytest.mark.parametrize(("scale", "divide_by_std"), [("group", True), ("none", False)])
def test_grpos_advantages_are_trls(grpo_trainer, parts, scale, divide_by_std, monkeypatch):
    monkeypatch.setattr(grpo_trainer, "scale_rewards", scale)
    torch.manual_seed(0)
    with torch.no_grad():
        written = grpo_trainer._generate_and_score_completions([{"prompt": text} for text in PROMPTS for _ in range(4)])
    texts = parts.words.batch_decode(written["completion_ids"], skip_special_tokens=True)
    mine = group_advantages(torch.tensor(letters(None, texts)).view(-1, 4), divide_by_std).flatten()
    torch.testing.assert_close(mine, written["advantages"], atol=1e-6, rtol=1e-6)
    assert mine.abs().max() > 0.1
