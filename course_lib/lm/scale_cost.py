"""What a full-size RLHF run costs, on paper. Lesson 15, section 15.11.

Three rules of thumb. Training a transformer with N weights on D tokens takes 6 N D floating-point operations (2 for the
forward pass, 4 for the backward pass); reading or writing D tokens takes 2 N D. A GPU reaches a share of its peak, the
utilisation. Adam in mixed precision keeps 16 bytes a trained weight (2 weight, 2 gradient, 4 + 4 + 4 for the
float32 copy and both moments), and a frozen model 2 bytes a weight.

Every number of `Costs` is an assumption that you should replace by your own. Sources: J. Kaplan et al. (2020), "Scaling
laws for neural language models", section 2.1, for 6 N D; S. Rajbhandari et al. (2020), "ZeRO", section 3.1, for 16
bytes. Attention's own operations, which grow with the square of the length, are left out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """What things cost. All of it changes with time and place: look up your own."""

    peak_flops: float = 1e15            # operations a second of one GPU in bfloat16, dense: about an H100's data sheet
    train_utilisation: float = 0.35     # share of the peak reached in training
    sample_utilisation: float = 0.05    # in sampling, which waits for memory; larger batches reach more
    dollars_per_gpu_hour: float = 3.0
    gpu_memory: float = 80e9            # bytes
    dollars_per_label: float = 1.0      # one comparison by a person
    minutes_per_label: float = 3.0


@dataclass(frozen=True)
class Plan:
    """A run: SFT, a reward model, and RL with a policy, a reference, a reward model and a value network."""

    parameters: float = 7e9             # weights of the policy; reference, reward model and values are as large
    sft_tokens: float = 10e6            # demonstrations, times epochs
    comparisons: float = 50_000         # labelled by people
    tokens_per_text: float = 500        # prompt and completion
    episodes: float = 250_000           # completions sampled in RL
    completion_tokens: float = 200      # of tokens_per_text, those that are written
    ppo_epochs: float = 1               # times each completion is learned from
    value_network: bool = True          # PPO's; GRPO and RLOO have none


@dataclass(frozen=True)
class Stage:
    """One stage on paper."""

    name: str
    flops: float
    gpu_hours: float
    dollars: float


def gpu_hours(flops: float, utilisation: float, costs: Costs) -> float:
    """Hours that one GPU needs. Raises ValueError unless the utilisation is in (0, 1]."""
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation is a share in (0, 1], not {utilisation}")
    return flops / (costs.peak_flops * utilisation) / 3600


def stages(plan: Plan | None = None, costs: Costs | None = None) -> list[Stage]:
    """Labels, SFT, reward model and the parts of RL, in order; dollars of labels are people's, all others GPUs'."""
    plan, costs = plan or Plan(), costs or Costs()
    N, train, sample = plan.parameters, costs.train_utilisation, costs.sample_utilisation
    read = plan.episodes * plan.tokens_per_text             # tokens that every model reads in RL
    trained = 2 if plan.value_network else 1
    parts = (("SFT", 6 * N * plan.sft_tokens, train),
             ("reward model", 6 * N * plan.comparisons * 2 * plan.tokens_per_text, train),
             ("RL: sampling", 2 * N * plan.episodes * plan.completion_tokens, sample),
             ("RL: reading by frozen models", 2 * N * read * (trained + 2), train),
             ("RL: learning", 6 * N * read * plan.ppo_epochs * trained, train))
    found = [Stage("labels by people", 0.0, 0.0, plan.comparisons * costs.dollars_per_label)]
    for name, flops, share in parts:
        hours = gpu_hours(flops, share, costs)
        found.append(Stage(name, flops, hours, hours * costs.dollars_per_gpu_hour))
    return found


def label_hours(plan: Plan | None = None, costs: Costs | None = None) -> float:
    """Hours that people spend on labels."""
    plan, costs = plan or Plan(), costs or Costs()
    return plan.comparisons * costs.minutes_per_label / 60


def rl_memory(plan: Plan | None = None) -> float:
    """Bytes that RL needs for weights, gradients and optimizers, all processes together; activations come on top."""
    plan = plan or Plan()
    trained, frozen = (2, 2) if plan.value_network else (1, 2)
    return plan.parameters * (16 * trained + 2 * frozen)


def gpus_needed(plan: Plan | None = None, costs: Costs | None = None, room: float = 0.5) -> int:
    """GPUs among which that memory must be divided, when this share of each is left for activations and caches."""
    plan, costs = plan or Plan(), costs or Costs()
    return max(1, -int(-rl_memory(plan) // (costs.gpu_memory * (1 - room))))
