"""`course labels ...` as a person types it."""

import json

import pytest
from labelling import clip_store, into_one_file, rows, text_store

from course_lib.cli import main
from course_lib.labels.session import LabelingSession
from course_lib.labels.store import PreferenceStore
from course_lib.labels.terminal import answer


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    monkeypatch.setenv("JUPYTERHUB_USER", "ann")
    return text_store(tmp_path / "labels" / "preferences.sqlite", 5, prompt="Which film?")


def typed(monkeypatch, *lines):
    given = iter(lines)
    monkeypatch.setattr("builtins.input", lambda _: next(given))


def test_answer_in_the_terminal(store, monkeypatch, capsys):
    typed(monkeypatch, "l", "what?", "r", "u", "equal", "s", "q")
    assert main(["labels", "answer", "texts", "--target", "5"]) == 0
    counts = PreferenceStore().counts("texts", ["ann"])
    assert (counts.left, counts.right, counts.equal, counts.skip) == (1, 0, 1, 1)
    said = capsys.readouterr().out
    assert "Which film?" in said and "--- left ---" in said and "3 of 5 answered" in said
    assert "Your last answer is taken back." in said
    row = rows(store, "SELECT * FROM labels ORDER BY label_id")[0]
    assert row["response_ms"] >= 0 and row["shown_at"] <= row["answered_at"] <= row["saved_at"]


def test_answer_goes_on_where_it_stopped(store, monkeypatch, capsys):
    typed(monkeypatch, "l", "q")
    main(["labels", "answer", "texts"])
    typed(monkeypatch, "r", "r", "r", "r", "l")                # the last one is the first pair again, sides swapped
    main(["labels", "answer", "texts"])
    said = capsys.readouterr().out
    assert "5 of 5 answered" in said
    assert "That was pair 1 again, with the sides swapped: a different answer than before." in said


def test_an_undo_without_an_answer_says_so(store, monkeypatch, capsys):
    typed(monkeypatch, "u", "q")
    main(["labels", "answer", "texts"])
    said = capsys.readouterr().out
    assert "There is nothing to take back." in said and "is taken back" not in said


def test_end_of_input_is_a_quit(store):
    def ended(_):
        raise EOFError

    assert answer(LabelingSession(store, "texts", "ann", 5, "?"), ask=ended, tell=lambda _: None) == 0


def test_a_ranking_and_the_scale_in_the_terminal(store, tmp_path):
    ranking = store.add_ranking([store.add_text(word) for word in "abc"], run="order")
    shown = [item.text for item in store.question(ranking).shown]
    order = "".join(str(shown.index(word) + 1) for word in "bca")
    lines, said = iter(["11", order]), []
    answer(LabelingSession(store, "order", "ann", 1, "?"), ask=lambda _: next(lines), tell=said.append)
    assert any("give each number from 1 to 3 once" in line for line in said)
    preferences = {(p.sigma1.text, p.sigma2.text): p.mu for p in store.preferences("order")}
    assert preferences == {("a", "b"): 0, ("a", "c"): 0, ("b", "c"): 1}

    lines = iter(["9", "q"])
    answer(LabelingSession(store, "texts", "ann", 5, "?", scale=True), ask=lambda _: next(lines), tell=said.append)
    [label] = store.labels("texts")
    assert (label.choice, label.confidence) == ("right", 9)


def test_texts_cannot_move_the_cursor(tmp_path):
    store = PreferenceStore(tmp_path / "labels.sqlite")
    store.add_pair(store.add_text("clear \x1b[2Jscreen\x07"), store.add_text("other"), run="r")
    said = []
    answer(LabelingSession(store, "r", "ann", 1, "?"), ask=lambda _: "q", tell=said.append)
    assert "clear [2Jscreen" in "".join(said) and "\x1b" not in "".join(said)


def test_clips_are_referred_to_the_notebook(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    clip_store(tmp_path / "labels" / "preferences.sqlite", 1)
    assert main(["labels", "answer", "clips"]) == 1
    assert "label them in a notebook" in capsys.readouterr().err


def test_stats_export_import_merge_check(store, tmp_path, capsys, monkeypatch):
    for question in store.questions_of("texts"):
        store.answer(question, "left", labeler="ann", response_ms=2000)
        store.answer(question, "left" if question % 2 else "right", labeler="bob")
    assert main(["labels", "stats"]) == 0
    said = capsys.readouterr().out
    assert "ann: 5 left; 0 taken back, median 2.0 s" in said and "same label 60%" in said and "kappa" in said

    out = tmp_path / "out.jsonl"
    assert main(["labels", "export", "texts", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 10 and json.loads(out.read_text().splitlines()[0])["prompt"]
    assert main(["labels", "import", str(out), "copy"]) == 0
    other = text_store(tmp_path / "cy.sqlite", 5)
    other.answer(1, "left", labeler="cy")
    assert main(["labels", "merge", str(other.path), "--as", "Cy"]) == 0
    assert "1 labels added" in capsys.readouterr().out
    assert main(["labels", "check"]) == 0 and "is whole" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "sentence"), [
    (["labels", "stats"], "no label file"),
    (["labels", "answer", "nothing"], "no label file"),
    (["labels", "merge", "nowhere.sqlite"], "nowhere.sqlite is not there"),
    (["labels", "import", "nowhere.jsonl", "run"], "nowhere.jsonl is missing"),
])
def test_missing_files_become_sentences(tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    assert main(words) == 1
    assert sentence in capsys.readouterr().err


def test_unknown_runs_and_endings_become_sentences(store, capsys):
    assert main(["labels", "export", "other", "x.jsonl"]) == 1 and "there are: texts" in capsys.readouterr().err
    assert main(["labels", "export", "texts", "x.csv"]) == 1 and ".jsonl for texts" in capsys.readouterr().err


def test_a_damaged_file_becomes_a_sentence(store, capsys):
    into_one_file(store)
    store.close()
    store.path.write_bytes(b"not a database, not at all" * 1000)
    assert main(["labels", "stats"]) == 1 and "course labels check" in capsys.readouterr().err
    assert main(["labels", "check", "--dry-run"]) == 1 and main(["labels", "check"]) == 1
    assert "course labels restore" in capsys.readouterr().err
