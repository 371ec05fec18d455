"""The evaluator of lesson 04: fresh episodes with the true return, and where the cart was. No learner may ask it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from course_lib.atomic import write_text
from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.evaluate import evaluate, greedy
from course_lib.rl.ppo import Progress


@dataclass(frozen=True)
class FreshEpisodes:
    """N episodes of one agent that always takes its likeliest action."""

    returns: np.ndarray             # (N,) true returns: steps until the fall, at most 500
    states: list[np.ndarray]        # N arrays (T, 4): the states in which it acted

    @property
    def true_return(self) -> float:
        """Mean true return."""
        return float(self.returns.mean())

    @property
    def mean_distance(self) -> float:
        """Mean distance of the cart from the centre over all steps, m."""
        return float(np.abs(np.concatenate(self.states)[:, 0]).mean())

    @property
    def mean_position(self) -> float:
        """Mean position of the cart over all steps, m; negative is left."""
        return float(np.concatenate(self.states)[:, 0].mean())


def fresh_episodes(network: nn.Module, episodes: int = 20, seed: int = 10_000) -> FreshEpisodes:
    """Play `episodes` new episodes greedily. The seed is none that training uses."""
    seen, policy = [], greedy(network)

    def watched(obs: np.ndarray) -> np.ndarray:
        seen.append(obs.copy())
        return policy(obs)

    result = evaluate(VectorCartPole(episodes), watched, seed=seed)
    states = np.stack(seen)                                                         # (T, N, 4)
    return FreshEpisodes(result.returns, [states[:length, n] for n, length in enumerate(result.lengths)])


class Watcher:
    """An observer beside the training: notes the true return now and then, in a file of its own, for the figure."""

    def __init__(self, path: Path, every: int = 2):
        self.path, self.every = Path(path), every
        text = self.path.read_text() if self.path.exists() else "{}"
        self.points = {int(update): value for update, value in json.loads(text).items()}   # update -> true return

    def beside(self, training: Iterator[Progress], network: nn.Module) -> Iterator[Progress]:
        """Pass `training` on unchanged, and note what `network` is worth before it and after every few updates."""
        if 0 not in self.points:
            self._note(0, network)
        for progress in training:
            if progress.update % self.every == 0:
                self._note(progress.update, network)
            yield progress

    def _note(self, update: int, network: nn.Module) -> None:
        self.points[update] = fresh_episodes(network).true_return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, json.dumps(self.points))
