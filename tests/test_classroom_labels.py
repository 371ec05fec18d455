"""Label files of a class: only what is sound and a student's own is taken; known kinds of annotators are found."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
import torch

from course_lib import cli
from course_lib.classroom import annotators_of_class as together
from course_lib.classroom import class_labels, synthetic_class
from course_lib.errors import CourseError
from course_lib.labels.merge import merge
from course_lib.labels.statistics import agreement_matrix, cohen_kappa
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.human_ratings import RatedText

RUN = "text-taste"


def hand_in(path, answers, labeler="jovyan", source="human", run=RUN, event="", seconds=5000):
    """A label file with these answers to pairs 0, 1, ...: 1 the first text, 0 the second, 0.5 equal, None skip."""
    store = PreferenceStore(path)
    for number, mu in enumerate(answers):
        one = store.add_text(f"text {2 * number}")
        question = store.add_pair(one, store.add_text(f"text {2 * number + 1}"), run=run)
        left = store.question(question).shown[0].item_id == one
        choice = {0.5: "equal", None: "skip"}.get(mu, "left" if (mu == 1) == left else "right")
        store.answer(question, choice, labeler=labeler, source=source, response_ms=seconds,
                     event_id=f"{event}{number}" if event else None)
    store.close()
    return path


def collected(folder, tmp_path, source="human"):
    store = PreferenceStore(tmp_path / "class.sqlite")
    return class_labels.collect(class_labels.find(folder), RUN, store, source), store


def said(store):
    """(student, first word pair) -> mu towards the even text."""
    rows = store.preferences(RUN)
    return {(row.labeler, min(int(item.text[5:]) for item in (row.sigma1, row.sigma2)) // 2):
            row.mu if int(row.sigma1.text[5:]) % 2 == 0 else 1 - row.mu for row in rows}


def test_thirty_people_called_jovyan_stay_thirty_and_every_answer_arrives(tmp_path):
    given = {name: [float(bit) for bit in bits] for name, bits in (("ada", "1100"), ("bob", "0101"), ("test", "1111"))}
    for name, answers in given.items():
        hand_in(tmp_path / "in" / name / "my_work" / "preferences.sqlite", [*answers, 0.5, None])
    found, store = collected(tmp_path / "in", tmp_path)
    assert found.labels == {"ada": 6, "bob": 6, "test": 6} and not found.refused and not found.notes
    assert found.runs == {RUN: 3}
    assert said(store) == {(name, k): mu for name, answers in given.items() for k, mu in enumerate([*answers, 0.5])}


def test_a_file_that_is_not_sound_is_named_and_stops_nobody(tmp_path):
    folder = tmp_path / "in"
    good = hand_in(folder / "ada" / "preferences.sqlite", [1, 0, 1])
    for name in ("cut", "text", "empty", "link", "other", "forged", "view"):
        (folder / name).mkdir()
    (folder / "cut" / "a.sqlite").write_bytes(good.read_bytes()[:6000])
    (folder / "text" / "a.sqlite").write_text("no database")
    (folder / "empty" / "a.sqlite").write_bytes(b"")
    (folder / "link" / "a.sqlite").symlink_to(good)
    with closing(sqlite3.connect(folder / "other" / "a.db")) as other:
        other.execute("CREATE TABLE things(a)")
        other.commit()
    hand_in(folder / "forged" / "a.sqlite", [1, 1, 1])
    with closing(sqlite3.connect(folder / "forged" / "a.sqlite")) as forged:
        forged.execute("DROP TRIGGER labels_never_change")
        forged.execute("UPDATE labels SET response_ms = 1 WHERE label_id = 1")
        forged.commit()
    hand_in(folder / "view" / "a.sqlite", [1])
    with closing(sqlite3.connect(folder / "view" / "a.sqlite")) as view:
        view.execute("ALTER TABLE undos RENAME TO old")
        view.execute("CREATE VIEW undos AS SELECT * FROM old")
        view.commit()
    found, store = collected(folder, tmp_path)
    assert found.labels == {"ada": 3} and {path.parent.name for path in found.refused} == {
        "cut", "text", "empty", "link", "other", "forged", "view"}
    reasons = {path.parent.name: why for path, why in found.refused.items()}
    assert "is a link" in reasons["link"] and "is empty" in reasons["empty"] and "other SQLite file" in reasons["other"]
    assert "not sound" in reasons["forged"] and "not a plain table" in reasons["view"]
    assert {labeler for labeler, _ in said(store)} == {"ada"}


def test_a_files_own_person_counts_and_other_peoples_labels_in_it_do_not(tmp_path):
    folder = tmp_path / "in"
    bobs = hand_in(folder / "bob" / "a.sqlite", [0] * 9)
    own = hand_in(folder / "ada" / "a.sqlite", [1, 1, 1])
    with closing(PreferenceStore(own)) as store:
        merge(store, bobs)
    found, store = collected(folder, tmp_path)
    assert found.labels == {"ada": 3, "bob": 9}
    assert said(store) == {("ada", k): 1 for k in range(3)} | {("bob", k): 0 for k in range(9)}
    assert found.notes == ["ada: a.sqlite holds labels of 2 people; those of “jovyan” count, as ada's"]


def test_a_copy_can_neither_hide_nor_undo_the_labels_of_its_owner_and_is_told(tmp_path):
    folder = tmp_path / "in"
    bobs = hand_in(folder / "bob" / "a.sqlite", [1, 0, 1])
    thief = folder / "ada" / "a.sqlite"
    thief.parent.mkdir()
    thief.write_bytes(bobs.read_bytes())
    with closing(PreferenceStore(thief)) as store:
        store.undo(RUN, "jovyan")
    found, store = collected(folder, tmp_path)
    assert said(store) == {("bob", 0): 1, ("bob", 1): 0, ("bob", 2): 1, ("ada", 0): 1, ("ada", 1): 0}
    assert "ada: 3 of 3 labels are also in the file of bob, answer for answer" in found.notes


def test_synthetic_labels_and_other_runs_are_no_labels_of_a_student(tmp_path):
    folder = tmp_path / "in"
    hand_in(folder / "ada" / "a.sqlite", [1, 1], labeler="scripted", source="scripted")
    hand_in(folder / "bob" / "a.sqlite", [1, 1], run="other")
    hand_in(folder / "cleo" / "backups" / "b.sqlite", [1, 1])
    found, store = collected(folder, tmp_path)
    assert not found.labels and store.runs() == [] and found.runs == {RUN: 1, "other": 1}
    assert found.notes[0].startswith("ada: no labels of a person") and "(2 by others)" in found.notes[0]
    with pytest.raises(CourseError, match="There are no labels in the run"):
        together.label_table(store, RUN)


def test_the_agreement_of_each_two_is_that_of_counting(tmp_path):
    rng = np.random.default_rng(0)
    said = {(name, pair): float(rng.choice([0, 0.5, 1])) for name in "abcd" for pair in range(30) if rng.random() < 0.7}
    matrix = agreement_matrix(said)
    for i, one in enumerate("abcd"):
        for j, two in enumerate("abcd"):
            both = [(said[one, pair], said[two, pair]) for pair in range(30)
                    if {(one, pair), (two, pair)} <= said.keys()]
            assert matrix.shared[i, j] == len(both)
            assert matrix.same[i, j] == pytest.approx(np.mean([a == b for a, b in both]))
            assert matrix.kappa[i, j] == pytest.approx(cohen_kappa(*map(list, zip(*both, strict=True))))
    apart = agreement_matrix({("a", 1): 1.0, ("b", 2): 1.0})
    assert apart.shared.tolist() == [[1, 0], [0, 1]] and np.isnan(apart.same[0, 1]) and np.isnan(apart.kappa).all()


def test_the_table_has_the_sides_of_the_screen(tmp_path):
    hand_in(tmp_path / "in" / "ada" / "a.sqlite", [1, 0, 0.5, None] * 5, seconds=2500)
    _, store = collected(tmp_path / "in", tmp_path)
    table = together.label_table(store, RUN)
    assert len(table) == 15 and (table.seconds == 2.5).all()
    for left, right, said_left in zip(table.left, table.right, table.said_left, strict=True):
        one, two = (int(table.items[k].text[5:]) for k in (left, right))
        assert {one // 2} == {two // 2} and (one // 2) % 4 != 3
        better = {0: "even", 1: "odd", 2: "equal"}[one // 2 % 4]
        wanted = 0.5 if better == "equal" else float((one % 2 == 0) == (better == "even"))
        assert said_left == wanted


@pytest.fixture(scope="module")
def klass(tmp_path_factory):
    """The synthetic class on texts made for this test, whose one feature is their mark."""
    folder = tmp_path_factory.mktemp("class")
    rng = np.random.default_rng(1)
    texts = [RatedText("tweets", str(n), f"text {n}", (int(mark), int(mark) - 1 if mark > -4 else int(mark)))
             for n, mark in enumerate(rng.integers(-4, 5, size=400))]
    kinds = synthetic_class.write(folder / "in", texts)
    store = PreferenceStore(folder / "class.sqlite")
    found = class_labels.collect(class_labels.find(folder / "in"), RUN, store, "scripted")
    table = together.label_table(store, RUN)
    marks = {text.text: text.mean for text in texts}
    features = torch.tensor([[marks[item.text], rng.normal()] for item in table.items])
    return kinds, found, table, features


def test_known_kinds_are_found_in_the_synthetic_class(klass):
    kinds, found, table, features = klass
    assert len(table.students) == 24 and [path.parent.name for path in found.refused] == ["student25"]
    fit = table.fit(features)
    odd = together.outliers(table, fit)
    words = {kinds[name]: "; ".join(said) for name, said in odd.items()}
    assert words["always left"].startswith("one side: left in 40 of 40")
    assert words["upside down"].startswith("upside down")
    assert words["at random"].startswith("at random")
    assert "at random" in words["at random, in 0.3 s each"] and "fast: 0.3 s" in words["at random, in 0.3 s each"]
    assert not {"careful", "errs in one of five", "noisy"} & words.keys()


def test_few_labels_and_many_ties_are_said(tmp_path):
    hand_in(tmp_path / "in" / "ada" / "a.sqlite", [1] * 5)
    hand_in(tmp_path / "in" / "bob" / "a.sqlite", [1] * 4 + [0.5] * 16)
    _, store = collected(tmp_path / "in", tmp_path)
    table = together.label_table(store, RUN)
    odd = together.outliers(table, table.fit())
    assert odd["ada"] == ["only 5 labels: too few to say anything"] and "ties: 16 of 20 answers" in odd["bob"]
    assert together.label_table(store, RUN, leave_out=["bob"]).students == ("ada",)


def test_accuracy_grows_with_the_students_and_with_knowing_whom_to_trust(klass):
    _, _, table, features = klass
    noise = torch.randn(len(features), 30, generator=torch.Generator().manual_seed(0))
    curve = together.accuracy_curve(table, torch.cat([features, noise], dim=1), (1, 24), draws=8)
    one, all_of_them = curve
    assert np.mean(all_of_them.annotators) > np.mean(one.annotators) + 0.1
    assert np.mean(all_of_them.annotators) > np.mean(all_of_them.equal_trust)
    again = together.accuracy_curve(table, torch.cat([features, noise], dim=1), (1, 24), draws=8)
    assert again == curve
    with pytest.raises(ValueError, match="24 students"):
        together.accuracy_curve(table, features, (25,), draws=1)


def test_labels_on_held_out_pairs_are_not_learned_from(klass, monkeypatch):
    _, _, table, features = klass
    seen = []
    fit = together.LabelTable.fit
    monkeypatch.setattr(together.LabelTable, "fit", lambda self, *a, **b: seen.append(self) or fit(self, *a, **b))
    tested = []
    right = together._share_right
    monkeypatch.setattr(together, "_share_right",
                        lambda scores, truth: tested.append(set(truth)) or right(scores, truth))
    together.accuracy_curve(table, features, (24,), draws=2)
    assert len(seen) == 5 and all(not set(part.pair.tolist()) & held
                                  for part, held in zip(seen[1:], tested, strict=True))


def test_the_command_says_what_it_took_and_never_writes_over_a_file(tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "class.sqlite"
    for name in ("ada", "bob"):
        hand_in(folder / name / "a.sqlite", [1, 0, 1])
    words = ["classroom", "labels", str(folder), "--out", str(out)]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert "text-taste (2)" in said and f"6 labels of 2 students: {out}; 3 pairs labelled by several" in said
    before = out.read_bytes()
    assert cli.main(words) == 1 and "is not written over" in capsys.readouterr().err and out.read_bytes() == before
    (folder / "bob" / "a.sqlite").write_text("broken")
    assert cli.main([*words[:-1], str(tmp_path / "two.sqlite")]) == 1
    said = capsys.readouterr().out
    assert "Left out: " in said and "3 labels of 1 students" in said
    assert cli.main(["classroom", "labels", str(tmp_path / "nobody"), "--out", str(tmp_path / "x.sqlite")]) == 1
    assert "No label files" in capsys.readouterr().err and not (tmp_path / "x.sqlite").exists()
