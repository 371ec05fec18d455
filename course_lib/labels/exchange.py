"""Labels to and from other programs. Taught in lessons 07 (clips) and 10 (text).

Out: text pairs as JSON lines (what trl reads), clips as arrays (what imitation reads). JSON lines come in through
import_lines.py, the label files of other people through merge.py.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from course_lib import atomic
from course_lib.errors import CourseError
from course_lib.labels.records import Item, Preference
from course_lib.labels.store import PreferenceStore

JSON = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True)
class Fragment:
    """One clip as the `imitation` library has it: `TrajectoryWithRew(**vars(fragment))` accepts it.

    obs: (T + 1, ...), acts: (T, ...), rews: (T,), all NaN, because a label file never holds the true reward.
    """

    obs: np.ndarray
    acts: np.ndarray
    infos: None
    terminal: bool
    rews: np.ndarray


@dataclass(frozen=True)
class FragmentPairs:
    """What `imitation.algorithms.preference_comparisons.PreferenceDataset.push` takes, and two columns more."""

    fragments: list[tuple[Fragment, Fragment]]
    preferences: np.ndarray            # (pairs,) float32: 1 where the first fragment was preferred, 0.5 for a tie
    weights: np.ndarray                # (pairs,) float32
    groups: np.ndarray                 # (pairs,) int64


def write_jsonl(store: PreferenceStore, run: str, path: Path) -> tuple[int, int]:
    """Write the run's text preferences as JSON lines with prompt, chosen and rejected; returns (lines, ties left out).

    A tie has no chosen side, so trl cannot use it. Each line keeps what import_lines.py can take back: weight, group
    (the pairs of one ranking share it), labeler, source, times. Raises `CourseError` for a run of clips.
    """
    lines, ties = [], 0
    total = sum(number for _, _, number in store.choices(run))
    with tqdm(total=total, unit=" labels", disable=None, leave=False) as bar:      # none where nobody watches
        for row, one, other in store.text_preferences(run):
            bar.update()
            if one is None or other is None:
                raise CourseError(f"The run “{run}” holds clips: give the file a name that ends in .npz, for arrays.")
            if row["mu"] == 0.5:
                ties += 1
            else:
                lines.append(_line(row, one, other))
    atomic.write_text(path, "".join(lines))
    return len(lines), ties


def _line(row: Mapping, one: str, other: str) -> str:
    better, worse = (one, other) if row["mu"] == 1 else (other, one)
    strength = None if row["confidence"] is None else abs(row["confidence"] - 5)
    implied = strength / 4 if strength else 1.0
    told = {"prompt": row["prompt"], "chosen": better, "rejected": worse, "weight": row["weight"] or implied,
            "group": row["group"], "labeler": row["labeler"], "source": row["source"], "event_id": row["event_id"],
            "answered_at": row["answered_at"]}
    more = {"strength": strength, "round": row["round"] or None, "shown_at": row["shown_at"],
            "response_ms": row["response_ms"], "plays": row["plays"]}
    return JSON.encode(told | {name: value for name, value in more.items() if value is not None}) + "\n"


def fragment_pairs(preferences: Sequence[Preference]) -> FragmentPairs:
    """The preferences as pairs of fragments. Raises `CourseError` for items without observations and actions."""
    return FragmentPairs([(fragment(p.sigma1), fragment(p.sigma2)) for p in preferences],
                         np.array([p.mu for p in preferences], np.float32),
                         np.array([p.weight for p in preferences], np.float32),
                         np.array([p.group for p in preferences], np.int64))


def fragment(item: Item) -> Fragment:
    """One clip as a fragment. With as many actions as observations, the last action has no outcome and is left out."""
    if not {"obs", "acts"} <= item.arrays.keys():
        raise CourseError("These items hold no observations and actions: give them to add_clip(obs=..., acts=...).")
    acts = item.acts[:len(item.obs) - 1]
    no_reward = np.full(len(acts), np.nan, np.float32)
    return Fragment(item.obs, acts, None, bool(item.info.get("terminal", False)), no_reward)


def write_arrays(store: PreferenceStore, run: str, path: Path) -> int:
    """Write the run's clip preferences as one .npz without pickles; returns the number of pairs. See `read_arrays`."""
    preferences = store.preferences(run)
    if not preferences:
        raise CourseError(f"The run “{run}” has no preferences yet: nothing is written.")
    items = {item.item_id: item for p in preferences for item in (p.sigma1, p.sigma2)}
    place = {name: index for index, name in enumerate(items)}
    fragments = [fragment(item) for item in items.values()]
    pairs = fragment_pairs(preferences)
    file = io.BytesIO()
    np.savez_compressed(
        file, obs=np.concatenate([f.obs for f in fragments]), acts=np.concatenate([f.acts for f in fragments]),
        lengths=np.array([len(f.acts) for f in fragments]), terminal=np.array([f.terminal for f in fragments]),
        first=np.array([place[p.sigma1.item_id] for p in preferences]),
        second=np.array([place[p.sigma2.item_id] for p in preferences]),
        preferences=pairs.preferences, weights=pairs.weights, groups=pairs.groups)
    atomic.write_bytes(path, file.getvalue())
    return len(preferences)


def read_arrays(path: Path) -> FragmentPairs:
    """Read what `write_arrays` wrote.

    In the file, `obs` and `acts` of all fragments follow one another, `lengths` says how many actions each has (and
    one observation more), `first` and `second` (pairs,) point into them.
    """
    with np.load(path, allow_pickle=False) as file:
        lengths = file["lengths"]
        all_obs = np.split(file["obs"], np.cumsum(lengths + 1)[:-1])
        all_acts = np.split(file["acts"], np.cumsum(lengths)[:-1])
        fragments = [Fragment(obs, acts, None, bool(terminal), np.full(len(acts), np.nan, np.float32))
                     for obs, acts, terminal in zip(all_obs, all_acts, file["terminal"], strict=True)]
        pairs = [(fragments[i], fragments[j]) for i, j in zip(file["first"], file["second"], strict=True)]
        return FragmentPairs(pairs, file["preferences"], file["weights"], file["groups"])
