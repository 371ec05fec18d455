"""Your preferences, a real language model: the preference loop of lesson 04 with answers of a chat model. Lesson 12.

    loop = PreferenceLoop(AnswerTask(), store, folder, run="answers", config=answer_config("dpo"))
    loop.collect()                                      # two answers to each of some prompts wait in the store
    labeler = loop.labeler(); labeler                   # side by side under their prompt, in random order
    loop.label(labeler.require())
    loop.fit()                                          # a linear reward on what the model knows of an answer
    for progress in loop.train(): ...                   # the adapter learns

Three ways to train, each of which is lesson 11's or this lesson's own code: "dpo" learns from the labels themselves,
"rloo" and "rejection" (rejection sampling) from the reward model that was fitted to them. Only the adapter learns, so
what the loop keeps after each round is small: the matrices of LoRA.

Sources: L. Ouyang et al. (2022), "Training language models to follow instructions with human feedback", for the loop;
the methods' own are in dpo.py, rloo.py and rejection_sampling.py.
Departures:
- an answer that `max_new_tokens` cut off is shown, labelled and learned up to its last whole sentence;
- two answers to each prompt and one comparison, where Ouyang et al. ranked four to nine;
- the reward model is linear on the frozen model's hidden states, and is fitted to all labels again in each round;
- DPO learns in each round from the labels of all rounds, of answers that earlier policies gave, and begins anew at the
  first model: in two runs of development a policy that went on from round to round went twice as far and won less. How
  sure a labeler was weighs in the reward model's fit and not in DPO;
- what DPO has learned in a round is turned down until the policy is within `max_kl` of the first model: beta says what
  distance costs and not how far a run goes.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import accumulate
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR

from course_lib.errors import CourseError
from course_lib.labels.records import Item
from course_lib.labels.store import PreferenceStore
from course_lib.lm.answer_ensemble import AnswerRewardConfig, AnswerRewardEnsemble
from course_lib.lm.answers import AnswerSegment, questions_and_answers, same_prompt, whole_sentences
from course_lib.lm.blind_evaluation import written
from course_lib.lm.chat_policy import ChatPolicy, answer_logprobs, load_chat_policy, sample_answers
from course_lib.lm.dpo import DPO, DPOConfig
from course_lib.lm.prompts import TRAINING_PROMPTS
from course_lib.lm.rejection_sampling import RejectionSampling, RejectionSamplingConfig
from course_lib.lm.rloo import RLOO, RLOOConfig
from course_lib.preferences.reward_ensemble import RewardEnsemble
from course_lib.preferences.segments import Pairs, Segment
from course_lib.preferences.task import PreferenceTask, RoundsConfig
from course_lib.training.run import TrainingRun
from course_lib.training.schedules import warmup_then_linear

TrainingConfig = DPOConfig | RLOOConfig | RejectionSamplingConfig

TRIES = 4                           # times that a prompt is answered again where its answers were equal or empty
AT_ONCE = 32                        # answers that are written at once
STEP_DOWN = 0.95                    # of the adapter's strength at most, while the policy is too far away


@dataclass(frozen=True)
class AnswerConfig(RoundsConfig):
    """One run of `AnswerTask`. Which settings of training are given says which method trains."""

    labels: tuple[int, ...] = (32, 32, 32)          # pairs asked about in each round
    updates: tuple[int, ...] = (8, 16, 32)          # gradient steps of DPO after each round; updates of the others
    save_every: int = 4                             # updates between two saves while training
    max_new_tokens: int = 48                        # an answer is cut off there; the prompts ask for a sentence or two
    max_kl: float = 8.0                             # nats an answer from the first model, for DPO
    kl_answers: int = 32                            # that this is measured on
    reward: object = field(default_factory=AnswerRewardConfig)
    training: TrainingConfig = field(default_factory=DPOConfig)     # its updates, tokens and seed are replaced

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.training) not in (DPOConfig, RLOOConfig, RejectionSamplingConfig):
            raise ValueError(f"training is a DPOConfig, an RLOOConfig or a RejectionSamplingConfig, not "
                             f"{type(self.training).__name__}")
        if not self.max_kl > 0:
            raise ValueError(f"max_kl is a distance in nats an answer and must be above 0, not {self.max_kl}")
        if self.kl_answers < 1:
            raise ValueError(f"the KL divergence is measured on 1 answer or more, not on kl_answers={self.kl_answers}")


TRAINING: dict[str, TrainingConfig] = {
    "dpo": DPOConfig(batch_size=8, learning_rate=2.5e-3, beta=0.1),
    "rloo": RLOOConfig(batch_size=32, samples_per_prompt=4, minibatch_size=16, epochs=1, learning_rate=1e-3, beta=0.1),
    "rejection": RejectionSamplingConfig(batch_size=32, samples_per_prompt=4, minibatch_size=8, epochs=2,
                                         learning_rate=5e-4),
}
UPDATES = {"dpo": (8, 16, 32), "rloo": (4, 4, 4), "rejection": (4, 4, 4)}


def answer_config(method: str = "dpo", labels: tuple[int, ...] = (32, 32, 32), updates: tuple[int, ...] | None = None,
                  seed: int = 0, max_new_tokens: int = 48, kl_answers: int = 32, **settings: object) -> AnswerConfig:
    """Settings of a run by "dpo", "rloo" or "rejection"; benchmarks/own_preferences.py measures them.

    updates: of each round; None: the method's own, for three rounds. settings: of the method's training, in place of
    those in TRAINING. Raises ValueError for another method, TypeError for a setting that it has not.
    """
    if method not in TRAINING:
        raise ValueError(f"{method!r} is no method of training; take one of {', '.join(TRAINING)}")
    return AnswerConfig(labels=labels, updates=updates or UPDATES[method], seed=seed, max_new_tokens=max_new_tokens,
                        kl_answers=kl_answers, training=replace(TRAINING[method], **settings))


def fresh_policy(seed: int) -> ChatPolicy:
    """The 135M chat model with an adapter that has learned nothing yet."""
    return load_chat_policy(seed=seed)


@dataclass(frozen=True)
class AnswerTask(PreferenceTask):
    """Answers of a chat model for `PreferenceLoop`.

    prompts: what is answered while labels are collected, and what RLOO and rejection sampling train on. policy: makes
    an untrained chat policy from a seed.
    """

    prompts: tuple[str, ...] = TRAINING_PROMPTS
    question: str = "Which answer is better?"
    policy: Callable[[int], ChatPolicy] = fresh_policy

    name: ClassVar[str] = "answers"
    keeps_clips: ClassVar[bool] = False             # answers not asked about are dropped: each round has its own
    segments_called: ClassVar[str] = "answers"
    collects: ClassVar[str] = "the model answers prompts"

    def config(self) -> AnswerConfig:
        """The settings of a run where none are given."""
        return AnswerConfig()

    def network(self, seed: int) -> ChatPolicy:
        """An untrained policy, with a model of its own; its state is the adapter's alone."""
        return self.policy(seed)

    def reward_model(self, config: AnswerConfig, **functions: Callable) -> AnswerRewardEnsemble:
        """Linear rewards on hidden states; functions: loss. The model is loaded when it first reads."""
        return AnswerRewardEnsemble(lambda: self.network(config.seed), config.reward, config.seed, **functions)

    def trainer(self, config: AnswerConfig, reward_model: AnswerRewardEnsemble, pool: deque[Segment],
                rng: np.random.Generator, **functions: Callable) -> "AnswerTrainer":
        """Trains the adapter of the model that the reward model reads with. functions: there are none to give."""
        if functions:
            raise CourseError(f"Answers are not trained by PPO, so {', '.join(sorted(functions))} cannot be given. "
                              "Leave it out.")
        return AnswerTrainer(self, config, reward_model, pool, rng)

    def select(self, clips: deque[Segment], count: int, ensemble: RewardEnsemble, rng: np.random.Generator) -> Pairs:
        """Pairs of answers to the same prompt."""
        return same_prompt(clips, count, ensemble, rng)

    def prompt(self, first: AnswerSegment, second: AnswerSegment) -> str:
        """What both answer. Raises CourseError for answers to different prompts: nobody could compare them."""
        if first.prompt != second.prompt:
            raise CourseError(f"Two answers to different prompts were paired, “{first.prompt}” and “{second.prompt}”. "
                              "Select pairs with same_prompt, or with a function of your own that keeps to one prompt.")
        return first.prompt

    def add_item(self, store: PreferenceStore, segment: AnswerSegment) -> str:
        """The answer as a text; what the reward model reads lies beside it."""
        return store.add_text(segment.answer, obs=segment.obs.numpy())

    def segment(self, item: Item) -> AnswerSegment:
        """Prompt and answer back from the store."""
        return AnswerSegment(torch.from_numpy(item.obs))


class AnswerTrainer:
    """The adapter's side of a run: answers prompts, and learns by DPO, RLOO or rejection sampling.

    RLOO and rejection sampling go on from round to round, with one learning rate that falls to the end of the last;
    DPO begins each round with an adapter that has learned nothing, and learns from all labels so far.
    """

    def __init__(self, task: AnswerTask, config: AnswerConfig, reward_model: AnswerRewardEnsemble,
                 pool: deque[Segment], rng: np.random.Generator):
        self.task, self.config, self.reward_model, self.pool, self.rng = task, config, reward_model, pool, rng
        self.network = reward_model.policy
        self.rounds = list(config.updates)          # updates of each round
        self.untrained = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.acted = 0                              # `save` writes everything, so there is nothing to do again
        own = {"updates": self.planned, "seed": config.seed, "max_new_tokens": config.max_new_tokens}
        known = {setting.name for setting in fields(config.training)}
        self.run = self._run(replace(config.training, **{name: own[name] for name in own.keys() & known}))
        self._schedule()

    def _run(self, training: TrainingConfig) -> TrainingRun:
        policy, reference = self.network, self.network.reference
        if isinstance(training, DPOConfig):
            return DPO(policy, reference, None, policy.padding, training, logprobs=answer_logprobs)
        method = RLOO if isinstance(training, RLOOConfig) else RejectionSampling
        return method(policy, reference, policy.prompts(self.task.prompts), self.reward_model.rewards,
                      policy.tokenizer, training, sample=sample_answers, logprobs=answer_logprobs)

    @property
    def planned(self) -> int:
        """Updates in all rounds."""
        return sum(self.rounds)

    @property
    def updates(self) -> int:
        """Updates so far."""
        return self.run.updates

    @property
    def history(self) -> list:
        """One entry an update: DPOProgress, or the TextProgress of the others."""
        return self.run.history

    def collect(self, pairs: int) -> None:
        """Give the pool two different answers for each pair, to prompts in random order; all older ones leave it.

        An answer that is empty, or equal to another of its prompt, is written again, a few times at most: a policy
        that always says the same leaves the round fewer pairs. Raises CourseError when it leaves none.
        """
        generator = torch.Generator().manual_seed(int(self.rng.integers(2**31)))
        turns = -(-pairs // len(self.task.prompts))
        order = np.concatenate([self.rng.permutation(len(self.task.prompts)) for _ in range(turns)])[:pairs]
        needed = Counter(self.task.prompts[k] for k in order for _ in range(2))
        found: dict[str, list[str]] = {prompt: [] for prompt in needed}
        for _ in range(TRIES):
            asked = [prompt for prompt, number in needed.items() for _ in range(number - len(found[prompt]))]
            for start in range(0, len(asked), AT_ONCE):
                some = asked[start:start + AT_ONCE]
                for prompt, answer in zip(some, write_answers(self.network, some, self.config.max_new_tokens,
                                                              generator), strict=True):
                    if answer and answer not in found[prompt]:
                        found[prompt].append(answer)
        if not any(len(answers) > 1 for answers in found.values()):
            raise CourseError("The policy gives no two different answers to any prompt, so there is nothing to "
                              "compare: training has driven it too far. Take an agent of an earlier round, "
                              "loop.agent(after), and train again with a lower learning rate or a larger beta.")
        self.pool.clear()
        self.pool.extend(AnswerSegment.of(prompt, answer) for prompt, answers in found.items() for answer in answers)

    def prolong(self, updates: int) -> None:
        """Plan a round of `updates` more. The learning rate is from then on that of a run planned so from the start."""
        self.rounds.append(updates)
        self.run.config = replace(self.run.config, updates=self.planned)
        self._schedule()

    def _schedule(self) -> None:
        """The learning rate from here on: over all rounds, for DPO over the round that the next update belongs to."""
        run, begun, planned = self.run, 0, self.planned
        if isinstance(run, DPO):
            ends = [0, *accumulate(self.rounds)]
            number = min(bisect_right(ends, run.updates), len(self.rounds))
            begun, planned = ends[number - 1], self.rounds[number - 1]
        run.scheduler = LambdaLR(run.optimizer, warmup_then_linear(
            planned, run.config.warmup_share, final=run.config.final_learning_rate),
            last_epoch=run.updates - begun - 1)
        run.parts["scheduler"] = run.scheduler

    def _begin_anew(self) -> None:
        self.network.load_state_dict(self.untrained)
        self.run.optimizer.state.clear()
        self._schedule()

    def train(self, until: int) -> Iterator:
        """Updates until there were `until` in all; DPO learns from all labels so far, from the first model on."""
        if isinstance(self.run, DPO):
            if self.updates < until and self.updates in accumulate(self.rounds, initial=0):
                self._begin_anew()
            first, second, mu = self.reward_model.labelled
            questions, answers = questions_and_answers([*first, *second])
            self.run.take(self.network.pairs(questions[:len(mu)], answers[:len(mu)], answers[len(mu):], mu,
                                             max_new_tokens=self.network.model.config.max_position_embeddings))
        yield from self.run.train(until)
        if isinstance(self.run, DPO):
            self._stay_near()

    def _stay_near(self) -> None:
        """Turn the adapter down until the policy's answers to some prompts are within `max_kl` of the first model."""
        config = self.config
        asked = (self.task.prompts * config.kl_answers)[:config.kl_answers]
        while (kl := written(self.network, asked, config.max_new_tokens, config.seed).kl.mean().item()) > config.max_kl:
            self.network.lora.turn_down(min(STEP_DOWN, (config.max_kl / kl) ** 0.5))    # it grows about as the square

    def save(self, path: Path) -> None:
        """Write the adapter, the optimizer, the learning rate, the random state and the curve."""
        self.run.save(path)

    def load(self, path: Path | None, acted: int) -> None:
        """Go on from what `save` wrote. Raises CheckpointError when it is damaged or of other settings."""
        if path is not None:
            self.run.load(path)
            self._schedule()


def write_answers(policy: ChatPolicy, prompts: list[str], max_new_tokens: int,
                  generator: torch.Generator | None = None) -> list[str]:
    """One answer to each prompt; an answer that was cut off is kept up to its last whole sentence (`whole_sentences`).

    Raises as `ChatPolicy.sample` does.
    """
    tokens, mask = policy.sample(policy.prompts(prompts), max_new_tokens, generator=generator)  # (B, L), (B, L - 1)
    ended = ((tokens[:, 1:] == policy.eos) & mask).any(dim=1)                                   # (B,)
    answers = policy.questions_and_answers(tokens, mask)[1]
    return [answer if whole else whole_sentences(answer) for answer, whole in zip(answers, ended.tolist(), strict=True)]
