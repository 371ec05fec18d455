"""A GPT as a folder that transformers' `GPT2LMHeadModel.from_pretrained` opens, and the other way round. Lesson 08.

Two things differ from our own names: transformers keeps the weights of GPT-2's linear layers turned (inputs, outputs),
because the first code did, and calls the parts by other names.
"""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from course_lib.atomic import in_a_sentence, write_bytes, write_text
from course_lib.errors import CourseError
from course_lib.lm.gpt import GPT, GPTConfig

OUTER = {"token_embedding": "wte", "position_embedding": "wpe", "norm": "ln_f"}
INNER = {"norm_1": "ln_1", "attention.qkv": "attn.c_attn", "attention.projection": "attn.c_proj",
         "norm_2": "ln_2", "mlp.widen": "mlp.c_fc", "mlp.projection": "mlp.c_proj"}


def save_hf(model: GPT, folder: Path) -> None:
    """Write `config.json` and `model.safetensors`, as `save_pretrained` would. Raises CourseError if that fails."""
    folder, config = Path(folder), model.config
    weights = {}
    for name, weight in model.state_dict().items():
        theirs, turned = _their_name(name)
        weights[theirs] = (weight.T if turned else weight).contiguous()
    facts = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": config.vocab_size,
             "n_positions": config.context, "n_layer": config.layers, "n_head": config.heads, "n_embd": config.width,
             "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True,
             "bos_token_id": 0, "eos_token_id": 0}
    with in_a_sentence(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / "model.safetensors", save(weights, metadata={"format": "pt"}))
        write_text(folder / "config.json", json.dumps(facts, indent=2) + "\n")


def load_hf(folder: Path) -> GPT:
    """Read a folder with a GPT-2 that transformers or `save_hf` wrote.

    Raises CourseError when files are missing or damaged, or when it is another model than GPT-2.
    """
    folder = Path(folder)
    try:
        facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load((folder / "model.safetensors").read_bytes())
    except OSError as error:
        raise CourseError(f"{folder} does not hold config.json and model.safetensors as transformers' save_pretrained "
                          f"writes them ({error.strerror}). Give the folder that does.") from error
    except (ValueError, SafetensorError) as error:
        raise CourseError(f"A file in {folder} is damaged ({error}). Save or copy the model again.") from error
    try:
        _require_gpt2(facts)
        model = GPT(GPTConfig(facts["vocab_size"], facts["n_positions"], facts["n_layer"], facts["n_head"],
                              facts["n_embd"]))
        state = {}
        for name in model.state_dict():
            theirs, turned = _their_name(name)
            found = weights[theirs] if theirs in weights else weights[theirs.removeprefix("transformer.")]
            state[name] = found.T if turned else found
        model.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise CourseError(f"{folder} holds another model than a GPT-2 ({error}).") from error
    return model.eval()


def _their_name(name: str) -> tuple[str, bool]:
    """(transformers' name of one of our weights, whether it is kept turned)."""
    stem, kind = name.rsplit(".", 1)
    if stem in OUTER:
        return f"transformer.{OUTER[stem]}.{kind}", False
    _, number, part = stem.split(".", 2)
    turned = kind == "weight" and not part.startswith("norm")
    return f"transformer.h.{number}.{INNER[part]}.{kind}", turned


def _require_gpt2(facts: dict) -> None:
    """What our GPT takes for granted. Raises CourseError for a setting that it does not have."""
    expected = {"model_type": "gpt2", "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
                "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "tie_word_embeddings": True,
                "add_cross_attention": False}
    width = facts.get("n_embd", 0)
    other = [f"{key} is {facts[key]!r}, not {value!r}" for key, value in expected.items()
             if facts.get(key, value) != value]
    if facts.get("n_inner") not in (None, 4 * width):
        other.append(f"n_inner is {facts['n_inner']}, not {4 * width}")
    if other or "model_type" not in facts:
        raise CourseError("This folder holds another model than the course's GPT: "
                          f"{'; '.join(other) or 'config.json names no model_type'}.")
