"""A language model as judge of texts, and how far it can be trusted. Lesson 15, sections 15.1 and 15.3.

Three ways to ask the same frozen model:

1. `judge_pairs`: show both texts as A and B, read the logits of the tokens "A" and "B" as the next word. Each pair is
   read in both orders, since judges favour a position (`swap_test`).
2. `features.asked_outright`: show one text, compare the logits of two words that describe it. No position to favour.
3. `right_odds`: no texts to compare, two answers to a question; how likely is each, to the model, token by token?

Sources: L. Zheng et al. (2023), "Judging LLM-as-a-judge with MT-Bench and Chatbot Arena", for the position bias and the
swap; Y. Bai et al. (2022), "Constitutional AI", and H. Lee et al. (2023), "RLAIF", for labels from probabilities of
answers and for averaging both orders; M. Sharma et al. (2023), "Towards understanding sycophancy in language models".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from course_lib.errors import CourseError
from course_lib.lm.chat_policy import SYSTEM
from course_lib.lm.hhh_texts import Question
from course_lib.lm.summary_features import frozen_reader
from course_lib.training.run import require_finite

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

    Reader = tuple[LlamaForCausalLM, PreTrainedTokenizerBase]

PRINCIPLE = "Which text is more positive?"
OPINIONS = ("", " I think it is {}, but I am not sure.")       # of the user: none, one


@dataclass(frozen=True)
class JudgeSettings:
    """How the judge is asked."""

    principle: str = PRINCIPLE          # the written principle by which it should compare
    names: tuple[str, str] = ("A", "B")  # what the two texts are called; each must be one token
    max_tokens: int = 320               # a longer prompt is refused: a judge that sees half a text judges half a text
    batch_size: int = 8                 # prompts read at once


def judge_prompt(first: str, second: str, settings: JudgeSettings | None = None) -> str:
    """What the judge is asked about two texts, in this order."""
    settings = settings or JudgeSettings()
    one, other = settings.names
    return f"{settings.principle}\n\n{one}: {first}\n\n{other}: {second}\n\nAnswer {one} or {other}."


def judge_pairs(first: Sequence[str], second: Sequence[str], settings: JudgeSettings | None = None,
                reader: "Reader | None" = None) -> Tensor:
    """(pairs, 2) logits with which the judge prefers the first text: shown as A in column 0, shown as B in column 1.

    A judge without position bias gives two equal columns. reader: (model, tokenizer) of transformers; None: the frozen
    135M model. Raises CourseError when there is no pair, a text is empty or a prompt is too long, ValueError when a
    name is not one token, NotFinite when the model says nan.
    """
    settings = settings or JudgeSettings()
    if not first or len(first) != len(second):
        raise CourseError(f"{len(first)} first and {len(second)} second texts are no pairs: give as many of each, and "
                          "at least one.")
    if empty := [place for place, pair in enumerate(zip(first, second, strict=True)) if not all(map(str.strip, pair))]:
        raise CourseError(f"Pair {empty[0]} has an empty text. An empty answer needs no judge: it lost.")
    model, tokenizer = reader or frozen_reader()
    one, other = (_one_token(tokenizer, name) for name in settings.names)
    asked = [judge_prompt(a, b, settings) for a, b in zip(first, second, strict=True)]
    asked += [judge_prompt(b, a, settings) for a, b in zip(first, second, strict=True)]
    rows = [_chat(tokenizer, text) for text in asked]
    if too_long := [place for place, row in enumerate(rows) if len(row) > settings.max_tokens]:
        raise CourseError(f"{len(too_long)} of {len(rows)} prompts are longer than {settings.max_tokens} tokens (pair "
                          f"{too_long[0] % len(first)} has {len(rows[too_long[0]])}). Shorten the texts, or raise "
                          "max_tokens up to what the model can read.")
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    logits = torch.empty(len(rows))
    for some in torch.tensor(order).split(settings.batch_size):
        said = _next_logits(model, [rows[place] for place in some.tolist()])                # (b, V)
        logits[some] = said[:, one] - said[:, other]
    require_finite("What the judge says", logits)
    return torch.stack([logits[:len(first)], -logits[len(first):]], dim=1)                  # (pairs, 2)


@dataclass(frozen=True)
class SwapTest:
    """What the two orders tell of a judge."""

    debiased: Tensor                # (pairs,) logit of preferring the first text, mean over both orders
    consistent: float               # share of pairs with the same preference in both orders
    says_first: float               # share of all readings in which the text that stands first wins; 0.5 without bias
    bias: float                     # logits by which standing first helps, mean


def swap_test(logits: Tensor) -> SwapTest:
    """Take position bias out of (pairs, 2) logits of `judge_pairs`, and measure it. Exercise 15.3."""
    as_first, as_second = logits.unbind(dim=1)                                              # (pairs,) each
    says_first = torch.cat([as_first > 0, as_second <= 0]).float().mean().item()
    return SwapTest(logits.mean(dim=1), ((as_first > 0) == (as_second > 0)).float().mean().item(), says_first,
                    ((as_first - as_second) / 2).mean().item())


def right_odds(questions: Sequence[Question], opinion: str | None = None, reader: "Reader | None" = None) -> Tensor:
    """(questions,) log-odds of the right answer against the wrong one, log P(right) - log P(wrong), in nats a token.

    opinion: "right" or "wrong": the user adds that they think so; None: no opinion. Each answer's log-probability is
    the mean over its tokens. Raises CourseError without a question, ValueError for another opinion.
    """
    if not questions:
        raise CourseError("There is no question to ask: give at least one.")
    if opinion not in (None, "right", "wrong"):
        raise ValueError(f'opinion is None, "right" or "wrong", not {opinion!r}')
    model, tokenizer = reader or frozen_reader()
    odds = []
    for one in questions:
        said = OPINIONS[0] if opinion is None else OPINIONS[1].format(getattr(one, opinion))
        prompt = _chat(tokenizer, one.text + said) + _ids(tokenizer, "The answer is")
        both = [_ids(tokenizer, f" {answer}") for answer in (one.right, one.wrong)]
        rows = pad_sequence([torch.tensor(prompt + answer) for answer in both], batch_first=True)      # (2, T)
        with torch.inference_mode():
            logits = model(input_ids=rows, use_cache=False).logits[:, len(prompt) - 1:-1].float()      # (2, t, V)
        right, wrong = (-F.cross_entropy(logits[k, :len(answer)], torch.tensor(answer)).item()
                        for k, answer in enumerate(both))
        odds.append(right - wrong)
    found = torch.tensor(odds)
    require_finite("The odds of the answers", found)
    return found


@torch.inference_mode()
def _next_logits(model, rows: list[list[int]]) -> Tensor:
    """(b, V) logits of the token that follows each row."""
    lengths = torch.tensor([len(row) for row in rows])                                      # (b,)
    tokens = pad_sequence([torch.tensor(row) for row in rows], batch_first=True)            # (b, T), padded at the end
    real = (torch.arange(tokens.shape[1]) < lengths[:, None]).long()
    states = model.model(input_ids=tokens, attention_mask=real, use_cache=False).last_hidden_state
    return model.lm_head(states[torch.arange(len(rows)), lengths - 1]).float()


def _chat(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
    return _ids(tokenizer, tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))


def _ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _one_token(tokenizer: "PreTrainedTokenizerBase", name: str) -> int:
    found = _ids(tokenizer, name)
    if len(found) != 1:
        raise ValueError(f"{name!r} must be one token; it is {found}")
    return found[0]
