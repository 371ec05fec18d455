"""Preferences in and out without loss: every field, every number, and every bad line by its number."""

import json
import random

import pytest
from labelling import rows

from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.labels.exchange import write_jsonl
from course_lib.labels.import_lines import read_preferences
from course_lib.labels.store import PreferenceStore

GOOD = {"prompt": "p", "chosen": "yes", "rejected": "no"}
WORDS = (
    "yes", "no", "é ü 漢字 🙂", "line\nbreak", '"quoted"', "tab\tand \\ back", " leading", "x" * 3000, "\u2028", "<b>&")


def store_of(path, content, run="r", labeler="them"):
    """A store with what an import of these bytes brings, and the result."""
    source = path / "in.jsonl"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    store = PreferenceStore(path / "labels.sqlite")
    return store, read_preferences(store, source, run, labeler)


def numbers(result):
    return result.new, result.duplicates, result.conflicts, result.bad


# ---- export -> import -> export ------------------------------------------------------------------------------------

def random_store(path, draw):
    """Pairs, rankings, ties, skips, undone answers, confidences, several people and both sources."""
    store = PreferenceStore(path)
    names = [store.add_text(f"{word} {number}") for number in range(3) for word in WORDS]
    for _ in range(draw.randrange(1, 25)):
        shown = draw.sample(names, draw.choice((2, 2, 2, 3, 4)))
        question = store.add_ranking(shown, run="r", round=draw.randrange(3),
                                     prompt=draw.choice(("", "Which?", "p\n🙂")))
        for labeler in draw.sample(("ann", "bob", "Ünsal"), draw.randrange(1, 4)):
            told = {"labeler": labeler, "source": draw.choice(("human", "scripted")), "shown_at": draw.choice(
                (None, draw.uniform(0, 2e9))), "answered_at": draw.uniform(1, 2e9), "plays": draw.choice((None, 0, 3)),
                "response_ms": draw.choice((None, draw.randrange(10**6)))}
            if len(shown) > 2:
                store.answer(question, ranks=[draw.randrange(3) for _ in shown], **told)
            else:
                choice = draw.choice(("left", "right", "equal", "skip"))
                sure = {"left": draw.randrange(1, 5), "right": draw.randrange(6, 10)}.get(choice)
                store.answer(question, choice, confidence=draw.choice((None, sure)), **told)
    if draw.random() < 0.5:
        store.undo("r", "ann")
    return store


@pytest.mark.parametrize("seed", range(6))
def test_export_import_export_is_the_same_to_the_byte(tmp_path, seed):
    store = random_store(tmp_path / "one.sqlite", random.Random(seed))
    first, second, third = (tmp_path / f"{name}.jsonl" for name in ("first", "second", "third"))
    lines, _ = write_jsonl(store, "r", first)
    other = PreferenceStore(tmp_path / "other.sqlite")
    found = read_preferences(other, first, "elsewhere" if seed % 2 else "r", "nobody")
    assert numbers(found) == (lines, 0, 0, 0)
    write_jsonl(other, "elsewhere" if seed % 2 else "r", second)
    assert second.read_bytes() == first.read_bytes()
    assert numbers(read_preferences(other, first, "elsewhere" if seed % 2 else "r", "nobody")) == (0, lines, 0, 0)
    assert numbers(read_preferences(store, first, "r", "nobody")) == (0, lines, 0, 0), "into its own store"
    write_jsonl(store, "r", third)
    assert third.read_bytes() == first.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 180))
def test_export_import_export_of_many(tmp_path, seed):
    test_export_import_export_is_the_same_to_the_byte(tmp_path, seed)


def test_all_that_a_line_says_is_kept(tmp_path):
    line = GOOD | {"weight": 0.7, "group": "g", "labeler": "ann", "source": "scripted", "event_id": "e1",
                   "answered_at": 12.5, "shown_at": 11.0, "response_ms": 900, "plays": 2, "round": 3}
    other = GOOD | {"chosen": "third", "group": "g", "event_id": "e2"}
    store, _ = store_of(tmp_path, f"{json.dumps(line)}\n{json.dumps(other)}\n")
    one, two = sorted(store.preferences("r"), key=lambda p: p.labeler)
    assert (one.weight, one.labeler, one.source, one.group) == (0.7, "ann", "scripted", two.group)
    [row] = rows(store, "SELECT * FROM labels WHERE event_id = 'e1'")
    assert (row["answered_at"], row["shown_at"], row["response_ms"], row["plays"]) == (12.5, 11.0, 900, 2)
    assert store.questions_of("r", 3) and (two.weight, two.labeler, two.source) == (1.0, "them", "human")


def test_groups_stay_apart_from_other_pairs_of_the_same_texts(tmp_path):
    content = "\n".join(json.dumps(GOOD | {"group": group, "event_id": group}) for group in ("a", "b"))
    store, found = store_of(tmp_path, content)
    assert found.new == 2 and len({p.group for p in store.preferences("r")}) == 2


def test_who_was_preferred_is_not_always_first(tmp_path):
    content = "\n".join(json.dumps(GOOD | {"chosen": f"better {number}"}) for number in range(40))
    store, _ = store_of(tmp_path, content)
    assert 5 < sum(p.mu for p in store.preferences("r")) < 35


def test_duplicates_conflicts_and_bad_lines_are_three_numbers(tmp_path):
    lines = [GOOD, GOOD, GOOD | {"chosen": "no", "rejected": "yes"}, GOOD | {"labeler": "bob"}, {"prompt": ""},
             GOOD | {"event_id": "e"}]
    store, found = store_of(tmp_path, "\n".join(map(json.dumps, lines)))
    assert numbers(found) == (2, 2, 1, 1) and len(found.faults) == 1
    assert len(store.preferences("r")) == 2
    assert [row["reason"] for row in rows(store, "SELECT reason FROM set_aside")] == [
        "import: this labeller has answered this question already"]
    assert numbers(read_preferences(store, tmp_path / "in.jsonl", "r", "them")) == (0, 4, 1, 1), "the same once more"


# ---- bad lines -----------------------------------------------------------------------------------------------------

def bad(**change):
    return json.dumps(GOOD | change).encode()


BAD = [
    (b"not json", "not JSON"), (b"[]", "should be an object"), (b"3", "should be an object"),
    (b'{"chosen": "a"}', "chosen|prompt is missing"), (bad(prompt=None), "prompt is missing"),
    (bad(chosen=3), "chosen should be a text, not 3"), (bad(chosen=["a"]), "should be a text, not a list"),
    (bad(rejected={"a": 1}), "should be a text, not an object"), (bad(chosen=""), "chosen is empty"),
    (bad(chosen=" \n"), "chosen is empty"), (bad(chosen="no"), "the same text"), (b"\xff\xfe\xfd", "not UTF-8"),
    ('{"prompt": "", "chosen": "café", "rejected": "b"}'.encode("latin-1"), "not UTF-8"),
    (b'{"prompt": "", "chosen": "\\ud800", "rejected": "b"}', "lone surrogate"),
    (b'{"prompt": "\\udfff", "chosen": "a", "rejected": "b"}', "lone surrogate"),
    (bad(labeler="\ud800"), "control characters|lone surrogate"), (b"[" * 200_000, "nested too deeply|not JSON"),
    (b'{"a":' * 100_000, "nested too deeply|not JSON"), (bad(response_ms=2**65), "whole number"),
    (bad(plays=-1), "whole number"), (bad(response_ms=1.5), "whole number"), (bad(response_ms=True), "a number"),
    (b'{"prompt": "", "chosen": "a", "rejected": "b", "plays": ' + b"9" * 5000 + b"}", "not JSON|number"),
    (bad(source="oracle"), "source 'oracle' is unknown"), (bad(source=["human"]), "source a list is unknown"),
    (bad(weight=float("nan")), "NaN is not a number"), (bad(weight=float("inf")), "Infinity is not a number"),
    (bad(weight=0), "weight should be"), (bad(weight=-1), "weight should be"), (bad(weight="much"), "weight should be"),
    (b'{"prompt": "", "chosen": "a", "rejected": "b", "weight": 1e999}', "weight should be"),
    (bad(answered_at="yesterday"), "answered_at should be a number, not 'yesterday'"),
    (bad(answered_at=-5), "answered_at"),
    (bad(labeler=3), "labeler should be"), (bad(labeler="a\x1b[31m"), "control characters"),
    (bad(labeler="x" * 1000), "at most 200"), (bad(event_id=[]), "event_id should be"),
    (bad(group={}), "group should be"),
    (bad(strength=9), "strength"), (bad(round="first"), "round"), (bad(chosen="x" * (5 * 2**20)), "at most"),
    (b'{"prompt": "\x00"}', "zero bytes"), (b"x" * (17 * 2**20), "longer than 16 MB"),
]


@pytest.mark.parametrize(("line", "words"), BAD, ids=[f"{number}" for number in range(len(BAD))])
def test_a_bad_line_is_named_and_loses_only_itself(tmp_path, line, words):
    before, after = json.dumps(GOOD).encode(), bad(chosen="third")
    store, found = store_of(tmp_path, b"\n".join([before, line, b"", after]) + b"\n")
    assert numbers(found) == (2, 0, 0, 1)
    [fault] = found.faults
    assert fault.startswith("line 2: ") and any(word in fault for word in words.split("|")), fault
    assert len(store.preferences("r")) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are(tmp_path, encoding):
    line = json.dumps(GOOD | {"chosen": "é 漢"}, ensure_ascii=False)
    store, found = store_of(tmp_path, f"{line}\r\n{line}".encode(encoding))
    assert numbers(found) == (1, 1, 0, 0) and store.preferences("r")[0].prompt == "p"


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_brings_nothing(tmp_path, content):
    assert numbers(store_of(tmp_path, content)[1]) == (0, 0, 0, 0)


def test_utf16_without_a_mark_is_said(tmp_path):
    with pytest.raises(CourseError, match="none of its .* lines can be used.*UTF-16"):
        store_of(tmp_path, f"{json.dumps(GOOD)}\n".encode("utf-16-le"))


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl"])
def test_csv_is_read_whatever_it_is_called(tmp_path, name):
    (tmp_path / name).write_text('prompt,chosen,rejected,weight,labeler,answered_at\np,"a, b\nc",no,0.5,ann,17\n'
                                 ",same,same,,,\nq,x,y,,,\nr,x,y,much,,\n", encoding="utf-8-sig")
    store = PreferenceStore(tmp_path / "labels.sqlite")
    found = read_preferences(store, tmp_path / name, "r", "them")
    assert numbers(found) == (2, 0, 0, 2)
    assert [fault.split(":")[0] for fault in found.faults] == ["line 4", "line 6"]
    one, two = sorted(store.preferences("r"), key=lambda p: p.labeler)
    assert {one.sigma1.text, one.sigma2.text} == {"a, b\nc", "no"} and (one.weight, one.labeler) == (0.5, "ann")
    assert two.labeler == "them"


def test_the_command_tells_each_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    (tmp_path / "in.jsonl").write_text(f"{json.dumps(GOOD)}\nnot json\n" + json.dumps(GOOD | {"source": "\x1b[31m"}))
    assert main(["labels", "import", str(tmp_path / "in.jsonl"), "r"]) == 0
    said = capsys.readouterr().out
    assert "1 preferences added" in said and "  line 2: it is not JSON" in said and "2 lines left out" in said
    assert "\x1b" not in said
