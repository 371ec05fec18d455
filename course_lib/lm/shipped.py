"""The small language models that lessons 08 to 11 and 14 open with: samples to read before anything is trained.

Trained by this course's own code on the training part of the rated texts, and rebuilt by

    python benchmarks/text.py char --seeds 0 --ship
    python benchmarks/text.py bpe --seeds 0 --ship

and those of lesson 14, which know a little about sums, by

    python benchmarks/beyond_ppo.py sums-grpo --seeds 1000 --ship

A file holds only numbers and words (`torch.load(weights_only=True)`): weights in half precision, the model's shape, the
tokenizer, and how all of it was made.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from tokenizers import Tokenizer as Engine

from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.tokenizers import BPETokenizer, CharTokenizer, Tokenizer
from course_lib.paths import root
from course_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

CHAR, BPE = "gpt_char.pt", "gpt_bpe.pt"
SUMS_SFT, SUMS_GRPO = "sums_sft.pt", "sums_grpo.pt"
Read = TypeVar("Read")


@dataclass(frozen=True)
class ShippedGPT:
    """A trained model, the tokenizer it was trained with, and how it was made."""

    model: GPT
    tokenizer: Tokenizer
    facts: dict                             # seed, scores on the test texts, steps, CPU-seconds, curve, command


def folder() -> Path:
    """Where shipped checkpoints lie: `assets/checkpoints` of the checkout."""
    return root() / "assets" / "checkpoints"


def save_gpt(path: Path, model: GPT, tokenizer: Tokenizer, facts: dict) -> None:
    """Write a model and its tokenizer, in half precision and in one step. Raises CourseError if that fails."""
    words = tokenizer.engine.to_str() if isinstance(tokenizer, BPETokenizer) else "characters"
    save_checkpoint(path, {"config": asdict(model.config), "tokenizer": words, "facts": facts,
                           "model": {name: weight.half() for name, weight in model.state_dict().items()}})


def load_gpt(path: Path) -> ShippedGPT:
    """Read what `save_gpt` wrote. Raises CheckpointError when the file is missing, damaged or of another kind."""
    state = load_checkpoint(path)
    try:
        model = GPT(GPTConfig(**state["config"]))
        model.load_state_dict({name: weight.float() for name, weight in state["model"].items()})
        words = state["tokenizer"]
        tokenizer = CharTokenizer() if words == "characters" else BPETokenizer(Engine.from_str(words))
        return ShippedGPT(model.eval(), tokenizer, state["facts"])
    except Exception as error:      # the tokenizers library raises a bare Exception for a text that is no tokenizer
        name = Path(path).name
        raise CheckpointError(f"{name} holds no language model of this course ({type(error).__name__}). If it came "
                              f"with the course, get it back with `git checkout assets/checkpoints/{name}` or rebuild "
                              "it as course_lib/lm/shipped.py says; else train and save it again.") from error


def load_shipped(name: str) -> ShippedGPT:
    """Read a shipped model: one of the names above. Raises CheckpointError when the file cannot be used."""
    return came_with_the_course(folder() / name, load_gpt)


def came_with_the_course(path: Path, load: Callable[[Path], Read]) -> Read:
    """`load(path)`; where that fails, the CheckpointError says how to get the shipped file back."""
    try:
        return load(path)
    except CheckpointError as error:
        state = "is damaged" if path.exists() else "is missing"
        raise CheckpointError(f"{path.name}, which came with the course, {state}. Get it back with `git checkout "
                              f"assets/checkpoints/{path.name}`. ({error})") from error
