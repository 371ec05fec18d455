"""trl and accelerate on the course's data: two processes end where one does, runs go on, and faults are told first."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.lm import scale_data, scale_training
from course_lib.lm.scale_data import check_lengths, check_pairs, load_pairs, load_prompts
from course_lib.lm.scale_training import ScaleConfig, missing, parse, run, save_tiny_model

PAIR = {"prompt": "a", "chosen": " b", "rejected": " c"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny random Llama with a tokenizer of bytes, as `save_pretrained` writes them."""
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny_model(folder)
    return folder


def settings(model: Path, output: Path, **changes) -> ScaleConfig:
    return ScaleConfig(**{"stage": "dpo", "model": str(model), "output": output, "data": "requests", "max_steps": 3,
                          "batch_size": 4, "learning_rate": 1e-2, "max_length": 256, "save_steps": 2} | changes)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def launched(processes: int, stage: str, model: Path, output: Path, steps: int = 3, **more) -> str:
    """What the command prints when torchrun starts it with so many processes."""
    words = ["--model", model, "--output", output, "--data", "requests", "--max-steps", steps, "--batch-size", 4,
             "--learning-rate", 1e-2, "--max-length", 256, "--save-steps", 2,
             *(word for name, value in more.items() for word in (f"--{name}", value))]
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1", "--nproc-per-node", str(processes),
               "--master-addr", "127.0.0.1", "--master-port", str(free_port()), "-m", "course_lib.lm.scale_training",
               stage, *map(str, words)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return done.stdout


def trained(output: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(output / "final" / "model.safetensors")


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one_and_go_on_after_a_stop(model, tmp_path):
    said = launched(2, "dpo", model, tmp_path / "two")
    assert said.count("3 steps") == 1
    run(settings(model, tmp_path / "one"))
    one, two, start = trained(tmp_path / "one"), trained(tmp_path / "two"), trained_start(model)
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=2e-5, rtol=1e-4)
    assert max((one[name] - start[name]).abs().max().item() for name in one) > 1e-3
    told = run(settings(model, tmp_path / "two", max_steps=5))
    assert told["resumed_from"] == "checkpoint-3" and told["steps"] == 5


def trained_start(model: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(model / "model.safetensors")


def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(model, tmp_path):
    run(settings(model, tmp_path, max_steps=4))
    whole = trained(tmp_path)
    for done_after_the_stop in ("checkpoint-4", "final"):
        shutil.rmtree(tmp_path / done_after_the_stop)
    assert run(settings(model, tmp_path, max_steps=4)) | {"loss": 0} == {
        "steps": 4, "loss": 0, "resumed_from": "checkpoint-2"}
    for name, weight in trained(tmp_path).items():
        torch.testing.assert_close(weight, whole[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("stage", ["sft", "reward", "grpo"])
def test_the_other_stages_run(model, tmp_path, stage):
    more = {"data": "sums", "max_new_tokens": 4} if stage == "grpo" else {"lora_rank": 2 if stage == "sft" else 0}
    told = run(settings(model, tmp_path, stage=stage, max_steps=2, **more))
    assert told["steps"] == 2 and told["resumed_from"] is None and (tmp_path / "final").is_dir()


def test_a_loss_that_is_not_finite_ends_the_run(model, tmp_path):
    with pytest.raises(CourseError, match="not a finite number.*learning-rate"):
        run(settings(model, tmp_path, learning_rate=1e30, max_steps=6))


def test_all_that_is_missing_is_said_before_it_starts(model, tmp_path, monkeypatch):
    good = settings(model, tmp_path / "new" / "folder")
    assert missing(good) == [] and not (tmp_path / "new").exists()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(scale_training, "free_memory", lambda: 1_000)
    monkeypatch.setattr(scale_training.shutil, "disk_usage", lambda folder: usage(9, 9, 10))
    monkeypatch.setenv("WORLD_SIZE", "3")
    faults = missing(good)
    for fault, word in zip(faults, ("multiple of 3", "GB of memory", str(tmp_path)), strict=True):
        assert word in fault
    with pytest.raises(CourseError, match="cannot start.*\n- .*\n- .*\n- "):
        run(good)
    monkeypatch.setattr(scale_training.importlib.util, "find_spec", lambda name: None if name == "trl" else name)
    assert missing(good) == [f"trl is not installed. {scale_training.INSTALL}."]
    assert "no stage" in missing(settings(model, tmp_path, stage="ppo"))[0]


def test_grpo_needs_whole_groups(model, tmp_path):
    assert "multiple of that" in missing(settings(model, tmp_path, stage="grpo", batch_size=6))[0]


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(CourseError, match="There is no model in"):
        missing(settings(tmp_path / "none", tmp_path))


@pytest.mark.parametrize(("pairs", "says"), [
    ([], "no preferences"), ([{"prompt": "a"}], "no dict"), ([PAIR | {"chosen": " "}], "empty text \\(chosen\\)"),
    ([PAIR | {"rejected": " b "}] * 2, "All 2 pairs are ties")])
def test_preferences_that_teach_nothing(pairs, says):
    with pytest.raises(CourseError, match=says):
        check_pairs(pairs)


def test_files_of_preferences(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(PAIR) + "\n\n" + json.dumps(PAIR | {"rejected": " b"}) + "\n")
    assert len(load_pairs(file)) == 2
    file.write_text(json.dumps(PAIR) + "\n{half")
    with pytest.raises(CourseError, match="line 2 is no JSON"):
        load_pairs(file)
    with pytest.raises(CourseError, match="cannot be read"):
        load_pairs(tmp_path / "none.jsonl")


def test_texts_that_would_be_cut():
    check_lengths(["a b"], lambda text: len(text.split()), 2, "texts")
    with pytest.raises(CourseError, match="1 of 2 texts are longer than max_length = 2 tokens \\(number 1 has 3\\)"):
        check_lengths(["a b", "a b c"], lambda text: len(text.split()), 2, "texts")


def test_the_courses_own_data():
    requests = load_pairs("requests")
    assert len(requests) == 16 and all(pair["chosen"] != pair["rejected"] for pair in requests)
    assert load_prompts("sums")[0]["prompt"].endswith("=")
    assert scale_training._verified(["37+45="] * 2, ["82", "83"]) == [1.0, 0.0]
    pairs = scale_data._summary_pairs()
    assert len(pairs) == 4_002 and max(len(pair["prompt"].split()) for pair in pairs) <= scale_data.ARTICLE_WORDS + 1


def test_the_command_line():
    config = parse(["sft", "--model", "m", "--output", "o", "--batch-size", "6", "--bf16"])
    assert (config.stage, config.batch_size, config.bf16, config.output) == ("sft", 6, True, Path("o"))
