"""The pretrained chat model as a policy: it answers, says how likely an answer is, and learns by LoRA. Lesson 12.

    policy = load_chat_policy()                             # 135 million weights, and 0.2% more that learn
    prompts = policy.prompts(["Write one short sentence about rain."])
    answers = policy.sample(prompts, max_new_tokens=24, generator=torch.Generator().manual_seed(0))
    run = RLOO(policy, policy.reference, prompts, reward, policy.tokenizer, config, sample=sample_answers,
               logprobs=answer_logprobs)

`ChatPolicy` has what the trainers of lesson 11 ask of a GPT (`parameters`, `state_dict`, `eval`, ...), and these are
the adapter's alone. The reference is the same object with the adapter switched off: there is one model in memory.

The policy is the model at a temperature: what it draws from, and what it says of an answer, are its logits divided by
it. At temperature 1 a model of this size makes up words in every other answer; at 0.7 it seldom does.

The convention is that of generate.py: tensors about tokens are (B, L - 1), column t is about tokens[:, t + 1]. Prompts
of several lengths are filled up in front with a token that begins no chat, so the padding can be read off the tokens
themselves, and positions count from the first real one. The layers below the adapter are read once for each text
(frozen_layers.py).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.lm.dpo import PreferencePairs
from course_lib.lm.frozen_layers import FrozenLayers
from course_lib.lm.generate import Completions, NoProbabilities, next_token_probs
from course_lib.lm.lora import LoRA, add_lora
from course_lib.lm.pretrained import load_pretrained, load_tokenizer
from course_lib.training.memory import require_memory
from course_lib.training.run import require_finite

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

AnswerRewardFunction = Callable[[Sequence[str], Sequence[str]], Tensor]     # (questions, answers) -> (answers,)

PADDING, END = "<|endoftext|>", "<|im_end|>"        # in front of a prompt; behind an answer
LORA_LAYERS, LORA_PARTS = 10, ("q_proj", "v_proj", "o_proj")        # of the attention, in the last layers
SYSTEM = "You are a helpful AI assistant."           # before every chat; the template's own is 9 tokens longer
TEMPERATURE = 0.7
GIB = 2.5                                           # of memory for the model, its gradients and what it writes
_QUESTION = re.compile(r"<\|im_start\|>user\n(.*?)<\|im_end\|>", re.DOTALL)


class ChatPolicy:
    """A chat model of transformers, its tokenizer, and a LoRA adapter that is on (policy) or off (reference).

    temperature: see above. system: what the model is told before every chat (None: what its template says itself).
    frozen: the layers below the adapter, of a policy of the same model, so that both know what was read (None: their
    own). Raises ValueError for a temperature that is not above 0.
    """

    def __init__(self, model: "LlamaForCausalLM", tokenizer: "PreTrainedTokenizerBase", lora: LoRA,
                 adapted: bool = True, temperature: float = 1.0, system: str | None = None,
                 frozen: FrozenLayers | None = None):
        if not temperature > 0:
            raise ValueError(f"a temperature is above 0, not {temperature}")
        self.model, self.tokenizer, self.lora, self.adapted = model.eval(), tokenizer, lora, adapted
        self.temperature, self.system = temperature, system
        self.frozen = frozen or FrozenLayers(model.model, first_layer(lora))
        self.eos, self.padding = tokenizer.convert_tokens_to_ids([END, PADDING])

    @property
    def reference(self) -> "ChatPolicy":
        """The model as it was before: the same weights, read without the adapter. Nothing of it learns."""
        return ChatPolicy(self.model, self.tokenizer, self.lora, adapted=False, temperature=self.temperature,
                          system=self.system, frozen=self.frozen)

    # what the trainers ask of a network

    def parameters(self) -> Iterator[nn.Parameter]:
        """What learns: the adapter's matrices; nothing for the reference."""
        return self.lora.parameters() if self.adapted else iter(())

    def state_dict(self) -> dict[str, Tensor]:
        """The adapter's matrices: what a checkpoint keeps."""
        return self.lora.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` gave."""
        self.lora.load_state_dict(state)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def eval(self) -> "ChatPolicy":
        """Itself: the model has no dropout, so reading and learning are one."""
        return self

    # texts and tokens

    def prompt_ids(self, question: str) -> list[int]:
        """The tokens of a chat up to where the answer begins. Raises CourseError for a question that is empty or that
        holds one of the tokens of the chat template."""
        if not question.strip():
            raise CourseError("A question is empty: ask something.")
        if found := [token for token in self.tokenizer.all_special_tokens if token in question]:
            raise CourseError(f"A question holds {found[0]}, which has a meaning of its own in a chat: leave it out.")
        return self.tokenizer(self.chat(question), add_special_tokens=False)["input_ids"]

    def chat(self, question: str) -> str:
        """The question in the chat template, up to where the answer begins."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return self.tokenizer.apply_chat_template([*system, {"role": "user", "content": question}], tokenize=False,
                                                  add_generation_prompt=True)

    def prompts(self, questions: Sequence[str]) -> Tensor:
        """(questions, P) int64: the prompts, filled up in front to one length. Raises as `prompt_ids` does."""
        if isinstance(questions, str) or not len(questions):
            raise ValueError("questions is a list with at least one text; put a single text in brackets: [text]")
        rows = [self.prompt_ids(question) for question in questions]
        length = max(len(row) for row in rows)
        return torch.tensor([[*[self.padding] * (length - len(row)), *row] for row in rows])

    def pairs(self, questions: Sequence[str], first: Sequence[str], second: Sequence[str], mu: Tensor,
              max_new_tokens: int) -> PreferencePairs:
        """Two answers to each question and which is preferred, as DPO and KTO learn from them; all (pairs).

        Raises CourseError for an answer that is empty or longer than `max_new_tokens`, and as PreferencePairs does.
        """
        return PreferencePairs([self.prompt_ids(question) for question in questions],
                               [self._answer_ids(answer, max_new_tokens) for answer in first],
                               [self._answer_ids(answer, max_new_tokens) for answer in second], mu)

    def _answer_ids(self, answer: str, max_new_tokens: int) -> list[int]:
        if not answer.strip():
            raise CourseError("An answer is empty, so there is nothing to make likelier: leave its pair out.")
        ids = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
        if len(ids) > max_new_tokens:
            raise CourseError(f"An answer has {len(ids)} tokens, more than {max_new_tokens}: leave its pair out, or "
                              f"raise max_new_tokens. It begins “{answer[:40]}”.")
        return [*ids, self.eos]

    def questions_and_answers(self, tokens: Tensor, mask: Tensor) -> tuple[list[str], list[str]]:
        """What was asked and what was answered in each row of `tokens` (B, L); mask: (B, L - 1)."""
        starts = mask.long().argmax(dim=1) + 1                                              # (B,) of the answers
        questions = [_QUESTION.findall(self.tokenizer.decode(row[:start]))[-1]
                     for row, start in zip(tokens, starts, strict=True)]
        answers = [self.tokenizer.decode(row[1:][keep], skip_special_tokens=True).strip()
                   for row, keep in zip(tokens, mask, strict=True)]
        return questions, answers

    # reading and writing

    def _adapter(self) -> AbstractContextManager:
        return nullcontext() if self.adapted else self.lora.disabled()

    def hidden(self, tokens: Tensor) -> Tensor:
        """(B, L, C), what the model knows after each of `tokens` (B, L), before it is turned into logits."""
        self._check_length(tokens.shape[1])
        return self._read(tokens, self._real(tokens), use_cache=False)

    def _read(self, tokens: Tensor, real: Tensor, **cache) -> Tensor:
        """(B, T, C), what the model knows at each of the new `tokens` (B, T). real: (B, past + T) bool, no padding."""
        place = (real.cumsum(dim=1) - 1).clamp(min=0)[:, -tokens.shape[1]:]                 # (B, T), padding aside
        with self._adapter():
            return self.model.model(input_ids=tokens, attention_mask=None if real.all() else real.long(),
                                    position_ids=place, **cache).last_hidden_state

    def logprobs(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Log-probability of each choice, (B, L - 1) in nats, and 0 outside `mask` (B, L - 1) bool.

        The logits of 49,152 tokens are worked out where a choice was made, and nowhere else. Layers below the adapter
        read a text once, whoever asks: policy or reference, now or in a later update.
        """
        self._check_length(tokens.shape[1])
        starts = self._real(tokens).long().argmax(dim=1)                                    # (B,) of the real tokens
        place = torch.arange(mask.shape[1])                                                 # (L - 1,)
        ends = torch.where(mask, place + 1, 0).amax(dim=1).maximum(starts + 1)              # (B,) behind what is read
        states = self.frozen.states([row[start:end].tolist() for row, start, end
                                     in zip(tokens, starts, ends, strict=True)])            # (B, T, C)
        with self._adapter():
            hidden = self.frozen.above(states)                                              # (B, T, C)
        column = starts[:, None] + torch.arange(states.shape[1])                            # (B, T) of each in mask
        choices = mask.gather(1, column.clamp(max=mask.shape[1] - 1)) & (column < mask.shape[1])    # (B, T)
        logits = self.model.lm_head(hidden[choices]).float() / self.temperature             # (choices, V)
        chosen = -F.cross_entropy(logits, tokens[:, 1:][mask], reduction="none")            # (choices,)
        return torch.zeros(mask.shape).masked_scatter(mask, chosen)

    @torch.no_grad()
    def sample(self, prompts: Tensor, max_new_tokens: int,
               generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """(tokens (B, L), mask (B, L - 1)): an answer of up to `max_new_tokens` behind each of the prompts (B, P).

        With a KV cache, from which a row is taken out when it has ended: what is done costs no more. Behind its end a
        row holds end tokens. Raises CourseError for prompts too long, NoProbabilities when the model says nan.
        """
        from transformers import DynamicCache

        if max_new_tokens < 1:
            raise ValueError(f"at least one new token is asked for, not {max_new_tokens}")
        B, P = prompts.shape
        self._check_length(P + max_new_tokens)
        tokens = torch.cat([prompts, torch.full((B, max_new_tokens), self.eos)], dim=1)     # (B, L)
        mask = torch.zeros(B, P + max_new_tokens - 1, dtype=torch.bool)                     # (B, L - 1)
        rows, unread, real = torch.arange(B), prompts, self._real(prompts)                  # of the rows not yet done
        cache, end = DynamicCache(config=self.model.config), P
        while end < P + max_new_tokens and len(rows):
            hidden = self._read(unread, real, past_key_values=cache, use_cache=True)[:, -1]         # (rows, C)
            probs = next_token_probs(self.model.lm_head(hidden).float(), self.temperature)          # (rows, V)
            if not torch.isfinite(probs.sum()):
                raise NoProbabilities("The model's probabilities are not numbers", "Load it again, with a fresh "
                                      "adapter; where it was trained, lower the learning rate.")
            unread = torch.multinomial(probs, 1, generator=generator)                       # (rows, 1)
            tokens[rows, end], mask[rows, end - 1] = unread[:, 0], True
            going = unread[:, 0] != self.eos                                                # (rows,)
            rows, unread = rows[going], unread[going]
            real = torch.cat([real[going], torch.ones(len(rows), 1, dtype=torch.bool)], dim=1)
            if not going.all():
                cache.batch_select_indices(going.nonzero()[:, 0])
            end += 1
        return tokens[:, :end], mask[:, :end - 1]

    def _real(self, tokens: Tensor) -> Tensor:
        """(B, L) bool: False in the padding in front."""
        return (tokens != self.padding).cumsum(dim=1) > 0

    def _check_length(self, length: int) -> None:
        context = self.model.config.max_position_embeddings
        if length > context:
            raise CourseError(f"A prompt and its answer would have {length:,} tokens, and the model reads {context:,}. "
                              "Shorten the question, or ask for fewer new tokens.")


class ChatValues(nn.Module):
    """PPO's value network for a chat policy: a head of one number a position on what the reference knows there.

    Only the head learns, so its way back costs nothing; it begins at 0 everywhere. Takes the place of lesson 11's
    value network, a whole GPT, in `TokenPPO`.
    """

    def __init__(self, policy: ChatPolicy):
        super().__init__()
        self.reference = policy.reference
        self.head = nn.Linear(policy.model.config.hidden_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def at_each_token(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T): the value estimate after each token."""
        with torch.no_grad():
            hidden = self.reference.hidden(tokens)                                          # (B, T, C)
        return self.head(hidden.float()).squeeze(-1)


def first_layer(lora: LoRA) -> int:
    """The lowest layer that has an adapter: those below it never change. Names hold "layers.20."."""
    return min(int(re.search(r"layers\.(\d+)\.", name)[1]) for name in lora.layers)


def load_chat_policy(layers: int = LORA_LAYERS, rank: int = 8, dtype: torch.dtype | None = None, seed: int = 0,
                     temperature: float = TEMPERATURE, system: str | None = SYSTEM) -> ChatPolicy:
    """The 135M chat model with a fresh adapter on the attention of its last `layers` layers (of 30).

    Gradients go back through these layers only. rank: of the adapter. dtype: None takes bfloat16 where the processor
    is quick with it. seed: of the adapter's first matrices. temperature, system: as of `ChatPolicy`.
    Raises CourseError where there is too little memory, and as `load_pretrained` does; ValueError for fewer than one
    layer or more than there are.
    """
    require_memory(GIB, "The chat model")
    model = load_pretrained(dtype)
    count = model.config.num_hidden_layers
    if not 1 <= layers <= count:
        raise ValueError(f"the adapter sits on 1 to {count} layers, not {layers}")
    names = [f"layers.{layer}.self_attn.{part}" for layer in range(count - layers, count) for part in LORA_PARTS]
    return ChatPolicy(model, load_tokenizer(), add_lora(model, names, rank, seed=seed), temperature=temperature,
                      system=system)


def answer_logprobs(policy: ChatPolicy, tokens: Tensor, mask: Tensor) -> Tensor:
    """`ChatPolicy.logprobs`, to be given to a trainer in place of `choice_logprobs`."""
    return policy.logprobs(tokens, mask)


@torch.no_grad()
def sample_answers(policy: ChatPolicy, reference: ChatPolicy, prompts: Tensor, reward: AnswerRewardFunction,
                   tokenizer: "PreTrainedTokenizerBase", max_new_tokens: int = 24,
                   generator: torch.Generator | None = None) -> Completions:
    """To be given to a trainer in place of `sample_completions`: answers to `prompts` (B, P), and their rewards.

    reward: called with the questions and the answers. `texts` are the answers alone. The policy reads its answers once
    more after writing them: in 16-bit numbers that differs a little from what it said while writing, and ratios must
    begin at 1. tokenizer: not needed, the policy has one. Raises as `ChatPolicy.sample` does, ValueError when the
    reward returns anything but one number an answer, NotFinite when the reference says nan.
    """
    tokens, mask = policy.sample(prompts, max_new_tokens, generator=generator)              # (B, L), (B, L - 1)
    questions, answers = policy.questions_and_answers(tokens, mask)
    rewards = torch.as_tensor(reward(questions, answers)).float()                           # (B,)
    if rewards.shape != (len(answers),):
        raise ValueError(f"a reward is one number an answer, ({len(answers)},); this one returned "
                         f"{tuple(rewards.shape)}")
    reference_logprobs = reference.logprobs(tokens, mask)                                   # (B, L - 1)
    require_finite("What the reference says of an answer", reference_logprobs)
    return Completions(tokens=tokens, mask=mask, logprobs=policy.logprobs(tokens, mask),
                       reference_logprobs=reference_logprobs, rewards=rewards, texts=answers)
