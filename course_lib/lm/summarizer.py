"""The 135M chat model writes summaries: many of one article, from policies that differ. Lesson 13, section 13.4.

    samples = write_summaries(article, 16, Policy("T = 0.7", temperature=0.7), generator)
    kept = [text for text, passes in zip(samples.texts, samples.passes(24, 48), strict=True) if passes]

The article is read once and its keys and values are kept for all samples (as in summary_features.py). A policy is a
request, a temperature, and nothing else: the weights are those of the installed model.

The filter. A reward model that was fitted to human ratings likes longer summaries, since people did (section 13.2). If
summaries may have any length, the best of n is simply a long one, and nothing about summarizing was learned. So only
samples of 24 to 48 tokens take part: the limits between which N. Stiennon et al. (2020), section 3.2, kept their
reference summaries. The model seldom ends by itself so early, so a sample is first cut behind its last whole sentence.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.lm.answers import whole_sentences
from course_lib.lm.chat_policy import END, PADDING, SYSTEM
from course_lib.lm.generate import NoProbabilities, next_token_probs
from course_lib.lm.summary_features import REQUEST, SummarySettings, frozen_reader, question

FEWEST, MOST = 24, 48                           # tokens of a summary that takes part


@dataclass(frozen=True)
class Policy:
    """How the model is asked, and how it draws."""

    name: str
    request: str = REQUEST                      # stands before the article
    temperature: float = 0.7                    # logits are divided by it; 0: always the likeliest token


POLICIES = (
    Policy("T = 0.7"),
    Policy("T = 1", temperature=1.0),
    Policy("one sentence", request="What is the main point of this text? Answer in one sentence.\n\n"),
)


@dataclass(frozen=True)
class Samples:
    """Some summaries of one article, as they were drawn."""

    texts: list[str]                            # cut behind the last whole sentence
    lengths: Tensor                             # (samples,) tokens of the text, without the end token
    whole: Tensor                               # (samples,) bool: False where not even one sentence was finished

    def passes(self, fewest: int = FEWEST, most: int = MOST) -> list[bool]:
        """Which samples are whole sentences of `fewest` to `most` tokens together."""
        return (self.whole & (self.lengths >= fewest) & (self.lengths <= most)).tolist()


@torch.no_grad()
def write_summaries(article: str, count: int, policy: Policy = POLICIES[0], generator: torch.Generator | None = None,
                    max_new_tokens: int = MOST, settings: SummarySettings | None = None, reader=None) -> Samples:
    """Draw `count` summaries of an article, up to `max_new_tokens` long, the end token among them.

    generator: of the draws. reader: (model, tokenizer), None: the frozen model. A sample that has ended costs no more.
    Raises ValueError for a count or a length below 1, NoProbabilities when the model says nan.
    """
    from transformers import DynamicCache

    if count < 1 or max_new_tokens < 1:
        raise ValueError(f"at least one summary of at least one token, not {count} of {max_new_tokens}")
    settings = settings or SummarySettings(request=policy.request)
    model, tokenizer = reader or frozen_reader()
    chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question(tokenizer, article, settings)}]
    before = tokenizer(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True),
                       add_special_tokens=False)["input_ids"]
    ends = tokenizer.convert_tokens_to_ids([END, PADDING])
    cache = DynamicCache(config=model.config)
    hidden = model.model(input_ids=torch.tensor([before]), past_key_values=cache, use_cache=True).last_hidden_state
    cache.batch_repeat_interleave(count)
    hidden, rows = hidden[:, -1].expand(count, -1), torch.arange(count)                     # (count, C), (count,)
    tokens = torch.full((count, max_new_tokens), ends[0])                                   # (count, T)
    for step in range(max_new_tokens):
        probs = next_token_probs(model.lm_head(hidden).float(), policy.temperature)         # (rows, V)
        if not torch.isfinite(probs.sum()):
            raise NoProbabilities("The model's probabilities are not numbers", "Load it again.")
        drawn = torch.multinomial(probs, 1, generator=generator)                            # (rows, 1)
        tokens[rows, step] = drawn[:, 0]
        going = (drawn[:, 0] != ends[0]) & (drawn[:, 0] != ends[1])                         # (rows,)
        rows, drawn = rows[going], drawn[going]
        if not len(rows) or step + 1 == max_new_tokens:
            break
        if not going.all():
            cache.batch_select_indices(going.nonzero()[:, 0])
        hidden = model.model(input_ids=drawn, past_key_values=cache, use_cache=True).last_hidden_state[:, -1]
    over = (tokens == ends[0]) | (tokens == ends[1])                                        # (count, T)
    lengths = torch.where(over.any(dim=1), over.long().argmax(dim=1), max_new_tokens)       # (count,)
    texts = [tokenizer.decode(row[:length].tolist()).strip()
             for row, length in zip(tokens, lengths.tolist(), strict=True)]
    ended = over.any(dim=1).tolist()
    texts = [text if whole else whole_sentences(text) for text, whole in zip(texts, ended, strict=True)]
    counted = torch.tensor([len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts])
    whole = torch.tensor([bool(text) and text[-1] in ".!?\"”'" for text in texts])
    return Samples(texts, counted, whole)
