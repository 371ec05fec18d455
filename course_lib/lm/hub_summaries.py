"""The same experiment at the size of the paper: comparisons of Reddit summaries and GPT-2, from the Hugging Face hub.

    pairs = load_tldr(limit=2_000)                              # needs internet, once
    model, tokenizer = load_hub_model("openai-community/gpt2")
    rows = end_features(model, tokenizer, posts, summaries)     # then lesson 13's linear reward

Nothing here runs unless it is called, and the rest of the course never calls it. Both loaders take a folder in place of
a name, in the form that the hub serves: that is how they are tested, and how a class without internet can use a copy.
For parquet files pyarrow is needed (`pip install pyarrow`), which the course does not install by itself.

Sources: N. Stiennon et al. (2020), "Learning to summarize from human feedback", whose 92,858 training comparisons these
are; the hub keeps them as openai/summarize_from_feedback, and a parquet copy under the revision refs/convert/parquet.
A. Radford et al. (2019) for GPT-2. Lesson 13, section 13.7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course_lib.errors import CourseError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

COMPARISONS, GPT2 = "openai/summarize_from_feedback", "openai-community/gpt2"
REVISION = "refs/convert/parquet"               # the copy that needs no script of the repository to be run
PARTS = ("train", "validation")
LINK = "\n\nTL;DR: "                            # between a post and its summary, as their authors marked them
OFFLINE = "Check the internet connection, or give the folder of a copy in place of the name."


@dataclass(frozen=True)
class ComparedSummaries:
    """One post (or article), two summaries of it, and which one a labeler preferred."""

    post: str
    first: str
    second: str
    mu: float                                   # 1 the first was preferred, 0 the second
    worker: str                                 # who compared
    confidence: int | None                      # on nine points, where it was asked


def load_tldr(source: str | Path = COMPARISONS, part: str = "train",
              limit: int | None = None) -> list[ComparedSummaries]:
    """Comparisons of summaries, in the order of their files. limit: at most so many, None for all.

    source: a data set's name on the hub, or a folder that holds comparisons/<part>/*.parquet as the hub does.
    Raises ValueError for a part that does not exist; CourseError when they cannot be fetched or read, when pyarrow is
    missing, or when a row is no comparison.
    """
    if part not in PARTS:
        raise ValueError(f"part is one of {', '.join(PARTS)}, not {part!r}")
    folder = Path(source) if Path(source).is_dir() else _fetched(str(source), part)
    files = sorted((folder / "comparisons" / part).glob("*.parquet"))
    if not files:
        raise CourseError(f"{folder} holds no comparisons/{part}/*.parquet. {OFFLINE}")
    pairs: list[ComparedSummaries] = []
    for file in files:
        for place, row in enumerate(_rows(file, None if limit is None else limit - len(pairs))):
            try:
                pairs.append(_pair(row))
            except (KeyError, TypeError, ValueError) as error:
                raise CourseError(f"{file}, row {place}: no comparison of two summaries "
                                  f"({type(error).__name__}: {error}).") from error
        if limit is not None and len(pairs) >= limit:
            break
    return pairs


def _fetched(name: str, part: str) -> Path:
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, repo_type="dataset", revision=REVISION,
                                      allow_patterns=[f"comparisons/{part}/*.parquet"]))
    except ImportError as error:
        raise CourseError("huggingface_hub is not installed: `pip install huggingface_hub`.") from error
    except Exception as error:              # of the hub's many kinds none is ours
        raise CourseError(f"{name} cannot be fetched from the hub ({type(error).__name__}). {OFFLINE}") from error


def _rows(file: Path, limit: int | None) -> list[dict]:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise CourseError("Reading parquet files needs pyarrow: `pip install pyarrow`.") from error
    try:
        table = parquet.read_table(file)
    except (OSError, ValueError) as error:
        raise CourseError(f"{file} cannot be read ({type(error).__name__}). Fetch it again.") from error
    return table.slice(0, limit).to_pylist()


def _pair(row: dict) -> ComparedSummaries:
    post = (row["info"].get("post") or row["info"].get("article") or "").strip()
    first, second = (one["text"].strip() for one in row["summaries"])
    if row["choice"] not in (0, 1) or not post:
        raise ValueError("a post and a choice of 0 or 1 belong here")
    return ComparedSummaries(post, first, second, 1.0 - row["choice"], str(row["worker"]),
                             (row.get("extra") or {}).get("confidence"))


def load_hub_model(source: str | Path = GPT2) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """(language model, tokenizer), ready to read; `source` a name on the hub or a folder that `save_pretrained` wrote.

    On a GPU where there is one. Raises CourseError when it cannot be fetched or loaded.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = AutoModelForCausalLM.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source)
    except Exception as error:              # no network, no such name, a damaged file: transformers raises many kinds
        raise CourseError(f"{source} cannot be loaded ({type(error).__name__}). {OFFLINE}") from error
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer


@torch.no_grad()
def end_features(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", posts: Sequence[str],
                 summaries: Sequence[str], layers: Sequence[int] = (-1,), max_tokens: int = 512,
                 batch_size: int = 8) -> Tensor:
    """(summaries, width x layers) float32: hidden states at the last token of post, "TL;DR:" and summary.

    layers: as transformers counts hidden states; -1 is the top. Of a long post the first tokens are read, so that the
    whole text has `max_tokens` at most and the summary is always whole. Raises CourseError when a summary alone is
    longer than that, or when there is none.
    """
    if not summaries:
        raise CourseError("There is no summary to read: give at least one.")
    rows = []
    for post, summary in zip(posts, summaries, strict=True):
        tail = tokenizer(LINK + summary, add_special_tokens=False)["input_ids"]
        room = max_tokens - len(tail)
        if room < 1:
            raise CourseError(f"A summary has {len(tail)} tokens, and {max_tokens} are read in all: shorten it.")
        rows.append(tokenizer(post, add_special_tokens=False)["input_ids"][:room] + tail)
    found = []
    for start in range(0, len(rows), batch_size):
        some = rows[start:start + batch_size]
        length = max(map(len, some))
        tokens = torch.tensor([row + [0] * (length - len(row)) for row in some], device=model.device)     # (b, T)
        ends = torch.tensor([len(row) - 1 for row in some], device=model.device)                         # (b,)
        mask = (torch.arange(length, device=model.device) <= ends[:, None]).long()                       # (b, T)
        states = model(input_ids=tokens, attention_mask=mask, output_hidden_states=True).hidden_states
        batch = torch.arange(len(some), device=model.device)
        found.append(torch.cat([states[layer][batch, ends].float() for layer in layers], dim=1).cpu())
    return torch.cat(found)
