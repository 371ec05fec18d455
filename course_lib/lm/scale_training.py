"""SFT, reward model, DPO and GRPO with trl and accelerate: the way out of the notebook. Lesson 15, section 15.9.

    python -m course_lib.lm.scale_training dpo --model FOLDER_OR_NAME --data summaries --output runs/dpo
    torchrun --nproc-per-node 2 -m course_lib.lm.scale_training dpo ...          # two processes here, gloo
    torchrun --nproc-per-node 8 -m course_lib.lm.scale_training dpo --bf16 ...   # eight GPUs, nccl

The same command takes a local folder or a name on the Hugging Face hub. Before anything is loaded it says what is
missing: packages, memory, disk, and data from which nothing could be learned (`missing`, `scale_data.py`). Every
`save_steps` steps a checkpoint is written; the same command again goes on from the last one.

`batch_size` is that of one step over all processes together, so that the number of processes changes the time and not
the result: two processes with two pairs each end with the weights of one with four (tests/test_lm_scale_training.py).

What the four stages are: lessons 09 (SFT), 10 (reward model), 12 and 14 (DPO), 14 (GRPO). That trl's losses are the
course's own is held by tests/test_lm_trl.py.
"""

import argparse
import importlib.util
import math
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.free_memory import free_memory
from course_lib.lm.scale_data import check_lengths, load_pairs, load_prompts

STAGES = ("sft", "reward", "dpo", "grpo")
PACKAGES = ("trl", "peft", "datasets", "accelerate", "transformers")
INSTALL = 'Run `make lab-scale`, or in an environment of your own `pip install -e ".[scale]"`'
BYTES_TRAINED = 16                      # a weight in training in float32: itself, its gradient, two moments of Adam
BYTES_KEPT = 12                         # of it in a checkpoint: itself and the moments
CHECKPOINTS = 2                         # kept at once


@dataclass(frozen=True)
class ScaleConfig:
    """One run."""

    stage: str                          # one of STAGES
    model: str                          # a folder, or a name on the hub
    output: Path                        # checkpoints and the trained model go here
    data: str = "summaries"             # for load_pairs; for grpo: "sums" or any of load_pairs
    max_steps: int = 100                # gradient steps
    batch_size: int = 8                 # pairs or prompts in one of them, all processes together
    learning_rate: float = 1e-5         # for all weights; with LoRA rather 1e-4
    beta: float = 0.1                   # KL coefficient of DPO and GRPO
    max_length: int = 768               # tokens of a prompt with its completion
    max_new_tokens: int = 16            # GRPO: of a completion
    samples: int = 4                    # GRPO: completions of a prompt
    lora_rank: int = 0                  # 0: all weights are trained
    save_steps: int = 50
    bf16: bool = False                  # 16-bit products: on GPUs that have them
    seed: int = 0


def processes() -> int:
    """How many processes this run has: what `torchrun` (or `accelerate launch`) tells each."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def missing_packages() -> list[str]:
    """Which of PACKAGES are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def weights_of(model: str) -> int:
    """Number of weights of the model in this folder or of this name; only its config.json is read.

    Raises CourseError when there is no such model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise CourseError(f"There is no model in {model!r} ({str(error).splitlines()[0][:160]}). Give a folder that "
                          "save_pretrained wrote, or a name on the hub (for which you need internet).") from error
    with torch.device("meta"):
        return sum(weight.numel() for weight in AutoModelForCausalLM.from_config(config).parameters())


def missing(config: ScaleConfig) -> list[str]:
    """What speaks against starting this run, a sentence each; empty when it can start. Loads no weights.

    Memory is counted for training in float32 on this machine's processor; on GPUs their own libraries say it.
    """
    found = []
    if config.stage not in STAGES:
        return [f"There is no stage {config.stage!r}; there are {', '.join(STAGES)}."]
    if absent := missing_packages():
        return [f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed. {INSTALL}."]
    if config.batch_size % processes():
        found.append(f"A batch of {config.batch_size} cannot be shared out evenly to {processes()} processes: make "
                     f"--batch-size a multiple of {processes()}.")
    if config.stage == "grpo" and config.batch_size % config.samples:
        found.append(f"GRPO samples {config.samples} completions of a prompt, so --batch-size must be a multiple of "
                     f"that, not {config.batch_size}.")
    weights = weights_of(config.model)
    share = 0.02 if config.lora_rank else 1.0                               # of the weights that learn, about
    copies = 4 if config.stage in ("dpo", "grpo") else 0                    # bytes a weight of the reference
    memory = processes() * weights * (4 + (BYTES_TRAINED - 4) * share + copies)
    if not _gpu() and memory > free_memory():
        found.append(f"{processes()} process{'es' * (processes() > 1)} with {weights / 1e6:,.0f} million weights need "
                     f"about {memory / 1e9:.1f} GB of memory and {free_memory() / 1e9:.1f} GB are free. Take a smaller "
                     "model, --lora-rank 8, or fewer processes.")
    disk, folder = weights * (4 + BYTES_KEPT * CHECKPOINTS * share), _existing(config.output)
    if disk > (free := shutil.disk_usage(folder).free):
        found.append(f"Checkpoints of this run take about {disk / 1e9:.1f} GB and {free / 1e9:.1f} GB are free in "
                     f"{folder}. Make room, or give another --output.")
    return found


def save_tiny_model(folder: Path, seed: int = 0) -> None:
    """Write a tiny random Llama with a tokenizer of bytes: to see that a command runs before a GPU is paid for."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from course_lib.lm.tokenizers import BPETokenizer

    torch.manual_seed(seed)
    LlamaForCausalLM(LlamaConfig(vocab_size=262, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
                                 num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=1024,
                                 bos_token_id=0, eos_token_id=0, pad_token_id=0)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=BPETokenizer.train(["the cat sat on the mat"] * 4, 262).engine,
                            eos_token="<|endoftext|>", pad_token="<|endoftext|>").save_pretrained(folder)


def run(config: ScaleConfig) -> dict:
    """Train one stage, going on from the last checkpoint in `output`; returns {"steps", "loss", "resumed_from"}.

    The trained model and its tokenizer are written to output/final. Raises CourseError with all that `missing` finds,
    for data from which nothing can be learned, and when a loss is not finite.
    """
    if faults := missing(config):
        raise CourseError("This run cannot start.\n- " + "\n- ".join(faults))
    from transformers import AutoTokenizer, set_seed
    from transformers.trainer_utils import get_last_checkpoint

    set_seed(config.seed)
    tokenizer = AutoTokenizer.from_pretrained(config.model)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    trainer = _trainer(config, tokenizer, _data(config, tokenizer))
    trainer.add_callback(_stop_at_nan())
    last = get_last_checkpoint(str(config.output)) if config.output.is_dir() else None
    result = trainer.train(resume_from_checkpoint=last)
    trainer.save_model(str(config.output / "final"))
    if trainer.is_world_process_zero():
        tokenizer.save_pretrained(config.output / "final")
    return {"steps": result.global_step, "loss": result.training_loss, "resumed_from": last and Path(last).name}


def _data(config: ScaleConfig, tokenizer):
    """The stage's data as a `datasets.Dataset`, checked."""
    from datasets import Dataset

    def count(text: str) -> int:
        return len(tokenizer(text)["input_ids"])

    if config.stage == "grpo":
        rows = load_prompts(config.data)
        check_lengths([row["prompt"] for row in rows], count, config.max_length - config.max_new_tokens, "prompts")
        return Dataset.from_list(rows)
    rows = load_pairs(config.data)
    for key in ("chosen", "rejected") if config.stage != "sft" else ("chosen",):
        check_lengths([row["prompt"] + row[key] for row in rows], count, config.max_length, f"{key} texts")
    if config.stage == "sft":
        rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
    return Dataset.from_list(rows)


def _trainer(config: ScaleConfig, tokenizer, data):
    """trl's trainer for the stage."""
    import trl
    from peft import LoraConfig, TaskType

    task = TaskType.SEQ_CLS if config.stage == "reward" else TaskType.CAUSAL_LM
    lora = LoraConfig(r=config.lora_rank, task_type=task, target_modules="all-linear") if config.lora_rank else None
    settings = dict(
        output_dir=str(config.output), max_steps=config.max_steps, learning_rate=config.learning_rate,
        per_device_train_batch_size=config.batch_size // processes(), save_steps=config.save_steps,
        save_total_limit=CHECKPOINTS, logging_steps=1, report_to="none", disable_tqdm=True, seed=config.seed,
        bf16=config.bf16, use_cpu=not _gpu(), ddp_backend="gloo" if processes() > 1 and not _gpu() else None,
        lr_scheduler_type="linear")
    common = dict(model=config.model, train_dataset=data, processing_class=tokenizer, peft_config=lora)
    if config.stage == "sft":
        return trl.SFTTrainer(args=trl.SFTConfig(**settings, max_length=config.max_length), **common)
    if config.stage == "reward":
        return trl.RewardTrainer(args=trl.RewardConfig(**settings, max_length=config.max_length), **common)
    if config.stage == "dpo":
        return trl.DPOTrainer(args=trl.DPOConfig(**settings, max_length=config.max_length, beta=config.beta), **common)
    return trl.GRPOTrainer(reward_funcs=_verified, args=trl.GRPOConfig(
        **settings, beta=config.beta, num_generations=config.samples,
        max_completion_length=config.max_new_tokens), **common)


def _verified(prompts: list[str], completions: list[str], **_) -> list[float]:
    """The course's reward for sums (lesson 14) in the form in which trl calls it."""
    from course_lib.lm.verifiable import exact_reward

    return exact_reward([prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]).tolist()


def _stop_at_nan():
    """A callback that ends the run, with a sentence, at the first loss that is not finite."""
    from transformers import TrainerCallback

    class StopAtNan(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **_):
            for name in ("loss", "grad_norm"):
                if not math.isfinite(float((logs or {}).get(name, 0.0))):
                    raise CourseError(f"The {name} of step {state.global_step} is not a finite number. Lower "
                                      f"--learning-rate (it is {args.learning_rate:g}); the last checkpoint in "
                                      f"{args.output_dir} is from before.")

    return StopAtNan()


def _gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def parse(words: list[str] | None = None) -> ScaleConfig:
    """The command line as settings: every field of ScaleConfig is an option of the same name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--model", required=True)
    parser.add_argument("--output", type=Path, required=True)
    for name, field in ScaleConfig.__dataclass_fields__.items():
        if name not in ("stage", "model", "output"):
            option = {"action": "store_true"} if field.type is bool else {"type": field.type, "default": field.default}
            parser.add_argument(f"--{name.replace('_', '-')}", **option)
    return ScaleConfig(**vars(parser.parse_args(words)))


def main() -> int:
    """Run one stage; faults that the reader can mend are printed by the first process, without a traceback."""
    try:
        told = run(parse())
    except CourseError as error:
        if os.environ.get("RANK", "0") == "0":
            print(error, file=sys.stderr)
        return 1
    if os.environ.get("RANK", "0") == "0":
        print(f"{told['steps']} steps, mean loss {told['loss']:.4f}"
              + (f", went on from {told['resumed_from']}" if told["resumed_from"] else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
