"""Labels to and from other programs. Taught in lessons 07 (clips) and 10 (text).

Out: text pairs as JSON lines (what trl reads), clips as arrays (what imitation reads). In: JSON lines with prompt,
chosen and rejected; reading them again adds nothing. The label files of other people come in through merge.py.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_lib import atomic
from course_lib.errors import CourseError
from course_lib.labels.records import Item, Preference
from course_lib.labels.store import PreferenceStore


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

    A tie has no chosen side, so trl cannot use it. Raises `CourseError` for a run of clips.
    """
    rows = store.preference_rows(run)
    items = {name: store.item(name) for row in rows for name in (row["sigma1"], row["sigma2"])}
    if any(item.kind != "text" for item in items.values()):
        raise CourseError(f"The run “{run}” holds clips: give the file a name that ends in .npz, for arrays.")
    lines, ties = [], 0
    for row in rows:
        if row["mu"] == 0.5:
            ties += 1
            continue
        better, worse = (row["sigma1"], row["sigma2"]) if row["mu"] == 1 else (row["sigma2"], row["sigma1"])
        lines.append(json.dumps({
            "prompt": row["prompt"], "chosen": items[better].text, "rejected": items[worse].text,
            "weight": row["weight"], "group": row["question_key"], "labeler": row["labeler"], "source": row["source"],
            "event_id": f"{row['event_id']}#{row['pair_id']}", "answered_at": row["answered_at"]}, ensure_ascii=False))
    atomic.write_text(path, "".join(f"{line}\n" for line in lines))
    return len(lines), ties


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


def read_jsonl(store: PreferenceStore, path: Path, run: str, labeler: str) -> tuple[int, int]:
    """Add each line's preference to the run; returns (new, already there). Lines may name labeler, source and event_id.

    Raises `CourseError` naming the first line that cannot be read; then nothing is added.
    """
    new = there = 0
    with store.transaction(), path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            row = _preference(line, path, number)
            better, worse = store.add_text(row["chosen"]), store.add_text(row["rejected"])
            question_id = store.add_pair(better, worse, run=run, prompt=row["prompt"])
            side = "left" if store.question(question_id).shown[0].item_id == better else "right"
            event_id = row.get("event_id") or hashlib.sha256(
                json.dumps([run, labeler, row["prompt"], row["chosen"], row["rejected"]]).encode()).hexdigest()
            filed = store.answer(question_id, side, labeler=row.get("labeler") or labeler, event_id=event_id,
                                 source=row.get("source") or "human", answered_at=row.get("answered_at"))
            new += filed == "saved"
            there += filed != "saved"
    return new, there


def _preference(line: str, path: Path, number: int) -> dict:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise CourseError(f"{path}, line {number}: not JSON ({error}).") from None
    names = ("prompt", "chosen", "rejected")
    if not isinstance(row, dict) or any(not isinstance(row.get(name), str) for name in names):
        raise CourseError(f"{path}, line {number}: needs the texts prompt, chosen and rejected.")
    return row
