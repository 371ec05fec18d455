"""A real pretrained language model of 135 million weights, in the form in which transformers loads it in a second.

The installed file holds the weights in four bits each, as llama.cpp reads them. Once, on first use, they are turned
into 16-bit numbers (about 20 CPU-seconds, 270 MB in the git-ignored cache), checked against a sentence whose
continuation is known, and kept. What four bits could not hold stays lost.

Source: L. Ben Allal et al. (2025), "SmolLM2: When Smol goes big", https://arxiv.org/abs/2502.02737; the architecture is
Llama's, H. Touvron et al. (2023). Used in lessons 10 and 11.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm.auto import tqdm

from course_lib import assets
from course_lib.assets.derived import made_once
from course_lib.errors import CourseError
from course_lib.training.precision import bfloat16_is_quick

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

ASSET, GGUF = "pretrained-135m", "SmolLM2-135M-Instruct.Q4_1.gguf"
FOLDER = "pretrained-135m-converted"
RECIPE = f"{GGUF} as bfloat16 safetensors, version 1"
BYTES_NEEDED = 600_000_000              # the converted files, twice, and some to spare

PROOF = "The capital of France is"      # what the converted model must make of it, measured when this was written
PROOF_TOKENS = (504, 3575, 282, 4649, 314)
PROOF_LOGITS = {7042: 17.34, 260: 14.86, 4528: 13.20}      # of " Paris", " the", " London"


class PretrainedModelError(CourseError):
    """The pretrained model cannot be converted or loaded; the text says what to do."""


def converted() -> Path:
    """The folder with the model and its tokenizer in transformers' format; the first call makes it, in 20 CPU-seconds.

    Safe to stop at any time and to call from several programs at once. Raises AssetError when the model cannot be
    fetched, when there is too little disk, or when the cache cannot be written; PretrainedModelError when the converted
    model does not continue the known sentence as it should.
    """
    return made_once(FOLDER, RECIPE, convert, BYTES_NEEDED)


def convert(folder: Path) -> None:
    """Write the model and the tokenizer into the empty `folder`. Raises as `converted` does."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    source = assets.path(ASSET)
    with _quiet(), tqdm(total=4, desc="converting the pretrained model, once", unit="step") as bar:
        packed = AutoModelForCausalLM.from_pretrained(source, gguf_file=GGUF)
        bar.update()
        settings = packed.config.to_dict()
        settings.pop("quantization_config", None)          # what is saved is no longer quantised
        settings.pop("_model_name_or_path", None)
        model = LlamaForCausalLM(LlamaConfig.from_dict(settings))
        model.load_state_dict(packed.state_dict())
        model.to(torch.bfloat16).save_pretrained(folder)
        bar.update()
        AutoTokenizer.from_pretrained(source, gguf_file=GGUF).save_pretrained(folder)
        bar.update()
        prove(folder)
        bar.update()


def prove(folder: Path) -> None:
    """Raise PretrainedModelError unless the model in `folder` reads and continues PROOF as it did when measured."""
    tokens = tuple(load_tokenizer(folder)(PROOF, add_special_tokens=False)["input_ids"])
    with torch.inference_mode():
        logits = load_pretrained(torch.float32, folder)(torch.tensor([tokens])).logits[0, -1]      # (V,)
    found = {token: round(logits[token].item(), 2) for token in PROOF_LOGITS}
    if tokens != PROOF_TOKENS or any(abs(found[token] - PROOF_LOGITS[token]) > 0.05 for token in found):
        raise PretrainedModelError(
            f"The converted model does not continue “{PROOF}” as it should (tokens {tokens}, logits {found}, expected "
            f"{PROOF_TOKENS}, {PROOF_LOGITS}). The installed versions of transformers and gguf probably differ from "
            "requirements.lock: run `course doctor`.")


def load_pretrained(dtype: torch.dtype | None = None, folder: Path | None = None) -> "LlamaForCausalLM":
    """The model, ready to read (evaluation mode), in about a second; converted first where that has not been done.

    dtype: None takes bfloat16 where the processor is quick with it (three times as fast), and float32 elsewhere.
    Raises as `converted` does.
    """
    from transformers import LlamaForCausalLM

    dtype = dtype or (torch.bfloat16 if bfloat16_is_quick() else torch.float32)
    with _quiet():
        return LlamaForCausalLM.from_pretrained(folder or converted(), dtype=dtype).eval()


def load_tokenizer(folder: Path | None = None) -> "PreTrainedTokenizerBase":
    """The model's tokenizer: 49,152 tokens, with the chat template. Raises as `converted` does."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder or converted())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own progress bars."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
