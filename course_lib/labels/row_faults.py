"""What is wrong with a row of a label file, in words: for damaged files, and for files that came from somebody else.

A row may hold anything here: SQLite keeps what it was given, and a file may have been made by no course at all. Each
function returns "" for a sound row. Taught in lesson 04.
"""

import io
import json
import math
import re
import zipfile
from collections.abc import Mapping

from course_lib.labels.fingerprints import SEALED, item_id, label_seal
from course_lib.labels.records import CHOICES, SOURCES

LONGEST_TEXT = 4 * 2**20           # bytes of a text or a prompt
LARGEST_MEDIA = 64 * 2**20         # bytes of a clip's picture
LARGEST_ARRAYS = 512 * 2**20       # bytes of its arrays, unpacked
MOST_PIXELS = 64 * 10**6
LONGEST_NAME = 500
MIMES = {"text": ("text/plain; charset=utf-8", "text/plain"), "clip": ("image/png",)}
MEASURES = ("frames", "width", "height", "columns")
NAME = re.compile(r"[0-9a-f]{64}")


def item_fault(row: Mapping) -> str:
    """A row of `items`: its name is the hash of its content, and it can be shown."""
    kind, mime, media, arrays = row["kind"], row["mime"], row["media"], row["arrays"]
    if not isinstance(media, bytes) or not isinstance(arrays, bytes | None) or mime not in MIMES.get(kind, ()):
        return "it is neither a text nor a clip"
    if item_id(kind, mime, media, arrays) != row["item_id"]:
        return "its content is not what was stored"
    info = _object(row["info"])
    if info is None or not _is_number(row["created_at"]):
        return "what is told about it cannot be read"
    if arrays is not None and (fault := _arrays_fault(arrays)):
        return fault
    return _text_fault(media) if kind == "text" else _clip_fault(media, info)


def question_fault(row: Mapping, pairs: list[Mapping]) -> str:
    """A row of `questions`, with its rows of `pairs`: sides and pairs belong together."""
    shown = _names(row["shown"])
    if not (isinstance(row["run"], str) and isinstance(row["prompt"], str) and isinstance(row["round"], int)
            and isinstance(row["question_key"], str) and _is_number(row["priority"])
            and isinstance(row["repeat_of"], int | None) and isinstance(row["only_for"], str | None)
            and isinstance(row["group_key"], str | None)):
        return "what it asks cannot be read"
    if len(row["run"]) > LONGEST_NAME or len(row["prompt"]) > LONGEST_TEXT:
        return "its prompt or the name of its run is too long"
    if shown is None or not 2 <= len(set(shown)) == len(shown) <= 5:
        return "its sides and pairs do not match"
    twos = {frozenset((pair["item_1"], pair["item_2"])) for pair in pairs}
    right = len(pairs) == len(twos) == len(shown) * (len(shown) - 1) // 2 and all(
        pair["item_1"] in shown and pair["item_2"] in shown and pair["item_1"] != pair["item_2"]
        and pair["flip"] == (shown.index(pair["item_1"]) > shown.index(pair["item_2"])) for pair in pairs)
    return "" if right else "its sides and pairs do not match"


def label_fault(row: Mapping, pair: Mapping | None) -> str:
    """A row of `labels`, with the row of its pair: known words, sound times, and a seal that fits."""
    if pair is None:
        return "its pair is missing"
    if row["choice"] not in CHOICES:
        return "its choice is unknown"
    if row["flip"] not in (0, 1):
        return "it does not say which side was which"
    if not _is_number(row["answered_at"]) or not _is_number(row["saved_at"]):
        return "it has no time"
    if row["source"] not in SOURCES or not _is_name(row["labeler"]) or not _is_name(row["event_id"]):
        return "it does not say whose it is"
    if not (row["confidence"] is None or row["confidence"] in range(1, 10)) or not all(
            row[name] is None or _is_number(row[name]) for name in ("shown_at", "response_ms", "plays")):
        return "its numbers cannot be read"
    if (row.get("weight") is not None) and not (_is_number(row["weight"]) and row["weight"] > 0):
        return "its weight is no number above 0"
    if row.get("seal") is None:
        return ""                                  # written before labels were sealed
    if label_seal(*(row[name] for name in SEALED)) != row["seal"]:
        return "its content is not what was stored"
    asked = asked_of(row)
    if asked is None or asked["pair"] != [pair["item_1"], pair["item_2"]]:
        return "it belongs to another pair"
    return ""


def asked_of(row: Mapping) -> dict | None:
    """What the label kept of its question, where its seal fits; None otherwise."""
    if row.get("seal") is None or label_seal(*(row[name] for name in SEALED)) != row["seal"]:
        return None
    asked = _object(row["asked"])
    return asked if asked and {"question", "key", "run", "round", "prompt", "shown", "pair"} <= asked.keys() else None


def undo_fault(row: Mapping) -> str:
    """A row of `undos`."""
    sound = _is_name(row["undo_id"]) and _is_name(row["event_id"]) and _is_number(row["saved_at"])
    return "" if sound and isinstance(row.get("reason"), str | None) else "it cannot be read"


def _text_fault(media: bytes) -> str:
    if len(media) > LONGEST_TEXT:
        return "its text is too long"
    try:
        return "" if media.decode().strip() else "its text is empty"
    except UnicodeDecodeError:
        return "its text is not UTF-8"


def _clip_fault(media: bytes, info: dict) -> str:
    sizes = [info.get(name) for name in MEASURES]
    if not all(isinstance(size, int) and not isinstance(size, bool) and 0 < size < 10**5 for size in sizes) or not (
            _is_number(info.get("fps")) and 0 < info["fps"] <= 1000 and isinstance(info.get("alt"), str)):
        return "what is told about its pictures cannot be right"
    frames, width, height, columns = sizes
    rows = -(-frames // columns)
    if len(media) > LARGEST_MEDIA or rows * height * columns * width > MOST_PIXELS:
        return "its picture is too large"
    if not media.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR") or (
            int.from_bytes(media[16:20], "big"), int.from_bytes(media[20:24], "big")) != (
            columns * width, rows * height):
        return "its picture has not the size that is told"
    return ""


def _arrays_fault(arrays: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(arrays)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > LARGEST_ARRAYS:
                return "its arrays are too large"
            return "" if all(member.filename.endswith(".npy") for member in members) else "its arrays cannot be read"
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return "its arrays cannot be read"


def _object(text: object) -> dict | None:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _names(text: object) -> list[str] | None:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
