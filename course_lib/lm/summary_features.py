"""What the 135M model knows of a summary: the inputs of lesson 13's reward model. Section 13.2.

The model is asked for a summary of the article, reads the summary as if it had written it, and is then asked whether it
is a good one. Its hidden states at that place are the features (lesson 10). They come from the middle of the model:
layers 15 to 20 of 30 predict people's preferences better than the top, which is busy with the next word. On the way the
model says how likely each token of the summary is, given the article.

An article has hundreds of tokens and its summaries have dozens. So the article is read once, its keys and values (the
KV cache of lesson 08) are kept, and all of its summaries are read behind it, in one batch. Sixteen samples of one
article cost about as much as two of different ones.

Source: A. Radford et al. (2017) and G. Alain and Y. Bengio (2016) for states as features; N. Stiennon et al. (2020)
train all weights of their reward models instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm.auto import tqdm

from course_lib.errors import CourseError
from course_lib.lm.chat_policy import END, SYSTEM
from course_lib.lm.pretrained import load_pretrained, load_tokenizer
from course_lib.training.run import require_finite

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

    Reader = tuple[LlamaForCausalLM, PreTrainedTokenizerBase]

WIDTH = 576                                     # numbers of one hidden state of the 135M model
REQUEST = "Summarize this news article in two short sentences.\n\n"
CUE = f"{END}\n<|im_start|>user\nIs this a good summary of the article?{END}\n<|im_start|>assistant\n"


@dataclass(frozen=True)
class SummarySettings:
    """How a summary is read. The features are the named states, one after the other, 576 numbers each."""

    request: str = REQUEST                      # stands before the article
    cue: str = CUE                              # stands behind the summary; its last token's states are taken
    last_of: tuple[int, ...] = (15, 18, 20)     # layers whose state at the last token is taken; 30 is the top
    mean_of: tuple[int, ...] = ()               # layers whose states are averaged over the summary's tokens
    article_tokens: int = 384                   # of a longer article the first ones are read
    summary_tokens: int = 192                   # of a longer summary, too


@dataclass(frozen=True)
class SummaryReading:
    """What the model made of some summaries."""

    features: Tensor                # (summaries, D) float32, D = 576 x the number of states
    logprobs: Tensor                # (summaries,) of all its tokens together, in nats, given the article
    lengths: Tensor                 # (summaries,) tokens

    @property
    def mean_logprobs(self) -> Tensor:
        """(summaries,) nats a token."""
        return self.logprobs / self.lengths


def question(tokenizer: "PreTrainedTokenizerBase", article: str, settings: SummarySettings | None = None) -> str:
    """What the model is asked: the request, and as much of the article as it reads."""
    settings = settings or SummarySettings()
    ids = tokenizer(article.strip(), add_special_tokens=False)["input_ids"][:settings.article_tokens]
    return settings.request + tokenizer.decode(ids).strip()


@lru_cache(maxsize=1)
def frozen_reader() -> "Reader":
    """(model, tokenizer), loaded once for the process; nothing of it learns."""
    return load_pretrained().requires_grad_(False), load_tokenizer()


def read_summaries_of(articles: Sequence[str], summaries: Sequence[str], settings: SummarySettings | None = None,
                      progress: bool = True, reader: "Reader | None" = None) -> SummaryReading:
    """Read each summary behind its article; every article is read once.

    articles: of each summary; an empty one leaves the request alone. reader: (model, tokenizer), None: the frozen
    model. Raises CourseError for an empty summary or none at all, NotFinite when the model says nan, AssetError when it
    cannot be had.
    """
    if not summaries or len(articles) != len(summaries):
        raise CourseError(f"{len(summaries)} summaries of {len(articles)} articles: give one article with each "
                          "summary, and at least one.")
    if empty := [place for place, text in enumerate(summaries) if not text.strip()]:
        raise CourseError(f"Summary {empty[0]} is empty, and so are {len(empty) - 1} others; leave them out.")
    settings, (model, tokenizer) = settings or SummarySettings(), reader or frozen_reader()
    places: dict[str, list[int]] = {}
    for place, article in enumerate(articles):
        places.setdefault(article, []).append(place)
    rows = torch.empty(len(summaries), WIDTH * (len(settings.last_of) + len(settings.mean_of)))
    logprobs, lengths = torch.empty(len(summaries)), torch.empty(len(summaries))
    with tqdm(total=len(summaries), desc="reading", unit="summary", disable=not progress) as bar:
        for article, some in places.items():
            rows[some], logprobs[some], lengths[some] = _read(model, tokenizer, article, [summaries[i] for i in some],
                                                              settings)
            bar.update(len(some))
    require_finite("What the model knows of a summary", rows)
    return SummaryReading(rows, logprobs, lengths)


@torch.no_grad()
def _read(model, tokenizer, article: str, summaries: list[str], settings: SummarySettings):
    """(features (k, D), log-probabilities (k,), tokens (k,)) of the k summaries of one article."""
    from transformers import DynamicCache

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question(tokenizer, article, settings)}]
    before = ids(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
    cue, each = ids(settings.cue), [ids(text.strip())[:settings.summary_tokens] for text in summaries]
    past = len(before) - 1                                      # the last token is read with each summary
    cache = DynamicCache(config=model.config)
    model.model(input_ids=torch.tensor([before[:-1]]), past_key_values=cache, use_cache=True)
    cache.batch_repeat_interleave(len(each))
    rows = [torch.tensor([before[-1], *one, *cue]) for one in each]
    tokens = pad_sequence(rows, batch_first=True)                                               # (k, T)
    real = pad_sequence([torch.ones(past + len(row), dtype=torch.long) for row in rows], batch_first=True)
    states = model.model(input_ids=tokens, attention_mask=real, past_key_values=cache, use_cache=True,
                         position_ids=past + torch.arange(tokens.shape[1])[None].expand(len(rows), -1),
                         output_hidden_states=True).hidden_states       # 31 of (k, T, 576); the top one is normed
    lengths = torch.tensor([len(one) for one in each])                                          # (k,)
    last = lengths + len(cue)                                                                   # (k,)
    place = torch.arange(tokens.shape[1])                                                       # (T,)
    inside = (place >= 1) & (place <= lengths[:, None])                                         # (k, T) the summary
    means = [(states[layer].float() * inside[..., None]).sum(1) / lengths[:, None] for layer in settings.mean_of]
    ends = [states[layer][torch.arange(len(rows)), last].float() for layer in settings.last_of]
    said = inside[:, 1:]                                        # (k, T - 1): column t is about token t + 1
    logits = model.lm_head(states[-1][:, :-1][said]).float()                                    # (choices, V)
    chosen = -F.cross_entropy(logits, tokens[:, 1:][said], reduction="none")                    # (choices,)
    logprobs = torch.zeros(said.shape).masked_scatter(said, chosen).sum(dim=1)                  # (k,)
    return torch.cat([*ends, *means], dim=1), logprobs, lengths.float()
