"""Records, JSON and CSV of a class; hidden inputs; files for Moodle and Canvas. No test starts a process."""

import csv
import io
import json
import os
from datetime import UTC, datetime

import pytest
from handed_in import code, save, solution

from course_lib.classroom import deadlines, feedback, gradebooks, grader, grading, hidden, notebooks, results, setup
from course_lib.classroom.grader import Graded
from course_lib.errors import CourseError
from course_lib.exercises import draws, registry
from course_lib.exercises import report as r
from course_lib.exercises.agree import agrees
from course_lib.exercises.checking import run
from course_lib.exercises.compare import Fail
from course_lib.exercises.report import Outcome, Report


def graded(student="ada", points=3, reason="", path="ada/00.ipynb", digest="1"):
    """A result of lesson 00, of so many of its three exercises."""
    reports = tuple(
        Report(exercise, tuple(Outcome(case.name, r.PASSED if i < points else r.FAILED, "f(1)", "2", "3", "Look again.")
                               for case in exercise.cases)) for i, exercise in enumerate(registry.of_lesson("00")))
    return Graded(student, notebooks.Path(path), digest, "00", reason, () if reason else reports)


def recorded(**about):
    """Its record."""
    one = graded(**about)
    return results.record(one, str(one.path), results.fingerprint("00", None))


def rows(text):
    """A CSV as a list of dicts."""
    return list(csv.DictReader(io.StringIO(text)))


def test_what_was_not_graded_has_no_points_and_no_zero(tmp_path):
    out = results.Results(tmp_path)
    out.finish([recorded(), recorded(student="bob", path="bob/00.ipynb", reason="the file is empty", digest="2"),
                recorded(student="cleo", path="cleo/00.ipynb", points=0, digest="3")])
    ada, bob, cleo = rows((tmp_path / results.CSV).read_text())
    assert (ada["points"], ada["of"], ada["00.1"], ada["status"]) == ("3", "3", "1", "graded")
    assert (bob["points"], bob["00.1"], bob["status"]) == ("", "", "not graded")
    assert bob["reason"] == "Not graded, because the file is empty."
    assert cleo["points"] == "0" and cleo["status"] == "graded"
    told = json.loads((tmp_path / results.JSON).read_text())
    assert [one["points"] for one in told] == [3, None, 0]
    feedback = told[2]["exercises"][0]["cases"][0]["feedback"]
    assert feedback == "Called: f(1)\nExpected: 2\nGot: 3\nLook again."


SEVERAL = "one of 2 notebooks of this lesson by this student; the last that was handed in counts"


def test_the_same_notebook_of_two_students_and_two_of_one_are_flagged():
    every = [recorded(), recorded(student="bob", path="bob/00.ipynb"), recorded(path="ada/copy.ipynb", digest="9"),
             recorded(student="cleo", path="cleo/00.ipynb", digest="")]
    flags = results.flagged(every)
    assert flags["ada", "ada/00.ipynb"] == ["byte for byte the notebook of bob",
                                            SEVERAL]
    assert flags["bob", "bob/00.ipynb"] == ["byte for byte the notebook of ada"] and ("cleo",
                                                                                      "cleo/00.ipynb") not in flags


def test_a_name_of_a_file_is_no_formula():
    [row] = rows(results.table([{**recorded(student="=cmd|x", path="-x.ipynb"), "flags": []}]))
    assert row["student"] == "'=cmd|x" and row["file"] == "'-x.ipynb"


@pytest.fixture
def three(tmp_path, monkeypatch):
    """Three notebooks in a folder, and a grader that only counts."""
    asked = []

    def grade(path, student, box, lesson="", seed=None):
        asked.append(student)
        reason = "the file is empty" if student == "bob" else ""
        digest = "" if reason else notebooks.hashlib.sha256(path.read_bytes()).hexdigest()
        return graded(student, path=str(path), reason=reason, digest=digest)

    monkeypatch.setattr(grader, "grade", grade)
    for student in ("ada", "bob", "cleo"):
        save({**solution("00"), "of": student}, tmp_path / "in" / student / "00_start_here.ipynb")
    return asked, notebooks.find([tmp_path / "in"]), results.Results(tmp_path / "out")


def test_a_run_that_stopped_goes_on_and_a_second_run_changes_nothing(three, monkeypatch, capsys):
    asked, found, out = three
    save_one = results.Results.save

    def crashes(self, one):
        if one["student"] == "cleo":
            raise KeyboardInterrupt
        save_one(self, one)

    monkeypatch.setattr(results.Results, "save", crashes)
    with pytest.raises(KeyboardInterrupt):
        grading.grade_all(found, out, None)
    monkeypatch.setattr(results.Results, "save", save_one)
    asked.clear()
    grading.grade_all(found, out, None)
    assert asked == ["bob", "cleo"]                     # what was not graded is tried again
    first = [(out.folder / name).read_bytes() for name in (results.JSON, results.CSV)]
    grading.grade_all(found, out, None)
    grading.grade_all(found, out, None, again=True)
    assert [(out.folder / name).read_bytes() for name in (results.JSON, results.CSV)] == first
    assert "2 graded, 1 not graded" in capsys.readouterr().err


def test_another_notebook_another_number_or_other_checks_are_graded_anew(three, monkeypatch):
    asked, found, out = three
    grading.grade_all(found, out, None)
    for change, wanted in ((lambda: save(solution("00"), found[0][1]), ["ada", "bob"]),
                           (lambda: monkeypatch.setattr(results, "fingerprint", lambda *_: "new"),
                            ["ada", "bob", "cleo"])):
        asked.clear()
        change()
        grading.grade_all(found, out, None)
        assert asked == wanted
    assert results.fingerprint.__name__ == "<lambda>"


def test_students_are_found_in_folders_and_by_the_names_of_files(tmp_path):
    for name in ("ada/03/03_x.ipynb", "bob/x.ipynb", "cleo_12.ipynb", "ada/.ipynb_checkpoints/y.ipynb",
                 "ada/notes.txt"):
        save(solution("00"), tmp_path / name)
    found = [(student, str(path.relative_to(tmp_path))) for student, path in notebooks.find([tmp_path])]
    assert found == [("ada", "ada/03/03_x.ipynb"), ("bob", "bob/x.ipynb"), ("cleo_12", "cleo_12.ipynb")]
    assert notebooks.find([tmp_path / "cleo_12.ipynb"]) == [("cleo_12", tmp_path / "cleo_12.ipynb")]


@pytest.mark.parametrize(("change", "name", "lesson"), [
    (lambda book: book, "whatever.ipynb", "03"),
    (lambda book: [cell.update(metadata={}) for cell in book["cells"]], "05_backflip.ipynb", "03"),
    (lambda book: book.update(cells=[code("def bradley_terry_loss(a, b, c): pass")]), "05_backflip.ipynb", "03"),
    (lambda book: book.update(cells=[code("x = 1")]), "05_backflip.ipynb", "05")])
def test_the_lesson_is_told_by_tags_then_checks_then_names_then_the_file(change, name, lesson, tmp_path):
    book = solution("03")
    change(book)
    assert notebooks.lesson_of(notebooks.read(save(book, tmp_path / name), "ada")) == lesson


def test_hidden_inputs_follow_from_the_classs_number_alone():
    def drawn(seed):
        with draws.of_class(seed):
            return draws.Draw(3, 4).normal(4).tolist()

    assert drawn(None) == draws.Draw(3, 4).normal(4).tolist() and drawn(5) == drawn(5)
    assert len({tuple(drawn(seed)) for seed in (None, 0, 5, 2**128)}) == 4


@pytest.mark.parametrize("lesson", registry.lessons())
def test_the_courses_own_answers_pass_with_hidden_inputs(lesson):
    for exercise in registry.of_lesson(lesson):
        if exercise.kind != "build":
            for seed in (1, 2**127 + 1, 2**128 - 1):
                with draws.of_class(seed):
                    report = run(exercise, exercise.load_reference())
                assert report.status == r.PASSED, (exercise.id, seed, report.first_miss)


def test_an_answer_that_knows_the_public_inputs_alone_is_told_from_one_that_is_sometimes_wrong():
    def right(x):
        return x.sum()

    def passing(answer):
        def passes():
            try:
                agrees(answer, right, lambda rng: (rng.normal(rng.length()),))
            except Fail:
                return False
            return True
        return passes

    known = {tuple(draws.Draw(seed, 1 + seed // 3).normal(draws.Draw(seed, 1 + seed // 3).length()).tolist())
             for seed in range(20)}
    table = {}
    for seed in range(20):
        draw = draws.Draw(seed, 1 + seed // 3)
        x = draw.normal(draw.length())
        table[tuple(x.tolist())] = x.sum()
    assert known is not None
    assert hidden.only_public_inputs(passing(lambda x: table.get(tuple(x.float().tolist()), x.sum() * 0 - 99)), 7)
    assert not hidden.only_public_inputs(passing(lambda x: -x.sum()), 7)
    assert not hidden.only_public_inputs(passing(right), 7)


def test_the_classs_number_is_private_stays_and_is_asked_for_when_it_is_gone(tmp_path):
    path = hidden.make(tmp_path / "private")
    assert path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0
    number = hidden.read(tmp_path / "private")
    assert 0 <= number < 2**128 and hidden.read(hidden.make(tmp_path / "private").parent) == number
    path.write_text("seven")
    with pytest.raises(CourseError, match="whole number"):
        hidden.read(tmp_path / "private")
    with pytest.raises(CourseError, match="course classroom init"):
        hidden.read(tmp_path)


ROSTER = ("student,name,email,canvas_id,section\nada,Ada L,ada@x.org,11,A\nbob,Bob,bob@x.org,12,A\n"
          "cleo,Cleo,c@x.org,13,B\n")


def test_a_class_is_made_once_and_outside_of_the_course(tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text(ROSTER)
    said = setup.init(tmp_path / "class", roster)
    assert any("course grade" in line for line in said)
    assert {path.name for path in (tmp_path / "class" / "submitted").iterdir()} == {"ada", "bob", "cleo"}
    assert (tmp_path / "class" / "release" / "03_bradley_terry.ipynb").exists()
    number = hidden.read(tmp_path / "class" / "private")
    setup.init(tmp_path / "class")
    assert hidden.read(tmp_path / "class" / "private") == number
    with pytest.raises(CourseError, match="outside"):
        setup.init(notebooks.paths.root() / "my_class")
    roster.write_text("student\n../evil\n")
    with pytest.raises(CourseError, match="cannot be the name of a folder"):
        setup.init(tmp_path / "other", roster)


def test_files_for_moodle_and_canvas_leave_empty_what_was_not_graded(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER)
    roster = gradebooks.read_roster(path)
    every = [recorded(points=1), recorded(path="ada/again.ipynb", points=2, digest="5"),
             recorded(student="bob", path="b", reason="the file is empty"), recorded(student="zoe", path="z")]
    assert rows(gradebooks.moodle(every, roster)) == [
        {"Email address": "ada@x.org", "Lesson 00": "2"}, {"Email address": "bob@x.org", "Lesson 00": ""},
        {"Email address": "c@x.org", "Lesson 00": ""}]
    possible, ada, *_ = rows(gradebooks.canvas(every, roster))
    assert possible == {"Student": "    Points Possible", "ID": "", "SIS Login ID": "", "Section": "", "Lesson 00": "3"}
    assert ada == {"Student": "Ada L", "ID": "11", "SIS Login ID": "", "Section": "A", "Lesson 00": "2"}
    assert gradebooks.strangers(every, roster) == ["zoe"]
    with pytest.raises(CourseError, match="canvas_id"):
        gradebooks.canvas(every, {"ada": {"name": "", "section": ""}})
    path.write_text("name\nx\n")
    with pytest.raises(CourseError, match="no column `student`"):
        gradebooks.read_roster(path)
    path.write_text("student\na\na\n")
    with pytest.raises(CourseError, match="line 3"):
        gradebooks.read_roster(path)


def test_late_days_are_counted_from_the_time_of_the_file(three, capsys):
    _, found, out = three
    due = out.folder.parent / "due.csv"
    due.write_text("lesson,due\n0,2027-01-31T23:59+00:00\n")
    for hours, (_, path) in zip((-1, 1, 25), found, strict=True):
        seconds = datetime(2027, 1, 31, 23, 59, tzinfo=UTC).timestamp() + 3600 * hours
        os.utime(path, (seconds, seconds))
    grading.grade_all(found, out, None, due=deadlines.read(due))
    told = rows((out.folder / results.CSV).read_text())
    assert [row["late_days"] for row in told] == ["0", "1", "2"]
    assert told[0]["handed_in"] == "2027-01-31T22:59:00+00:00"
    assert "2 days late" in (out.folder / "feedback" / "cleo" / "00.html").read_text()
    grading.grade_all(found, out, None)
    assert [row["late_days"] for row in rows((out.folder / results.CSV).read_text())] == ["", "", ""]


@pytest.mark.parametrize("line", ["three,2027-01-31", "03,soon", "03"])
def test_a_line_of_the_due_dates_that_cannot_be_read_is_named(line, tmp_path):
    (tmp_path / "due.csv").write_text(f"lesson,due\n{line}\n")
    with pytest.raises(CourseError, match="line 2"):
        deadlines.read(tmp_path / "due.csv")


def test_of_several_notebooks_the_last_that_was_graded_counts():
    first = {**recorded(points=3), "handed_in": "2027-01-02T00:00:00+00:00"}
    second = {**recorded(points=1, path="ada/again.ipynb"), "handed_in": "2027-01-03T00:00:00+00:00"}
    broken = {**recorded(path="ada/x.ipynb", reason="the file is empty"), "handed_in": "2027-01-04T00:00:00+00:00"}
    for every in ([first, second, broken], [broken, second, first]):
        assert gradebooks.counted(every)["ada", "00"] is second


def test_the_page_of_a_student_shows_cases_and_runs_nothing_of_theirs(tmp_path):
    hostile = "<script>alert(1)</script>"
    one = recorded(student="../eve", points=0, path=f"x/{hostile[:8]}.ipynb")
    one["exercises"][0]["cases"][0]["feedback"] = hostile
    one["notes"] = [hostile]
    again = recorded(student="../eve", reason="the file is empty")
    feedback.write(tmp_path, [one, again])
    first, second = sorted(tmp_path.rglob("*.html"))
    assert first.parent == second.parent == tmp_path / "feedback" / "_.._eve"
    text = first.read_text()
    assert "0 of 3 points" in text and "<script" not in text and "&lt;script" in text and "http" not in text
    assert "Not graded, because the file is empty." in second.read_text()


def test_a_notebook_that_cannot_be_read_stands_beside_the_others_of_its_lesson(tmp_path):
    path = tmp_path / "03_bradley_terry.ipynb"
    path.write_bytes(b"")
    one = grader.grade(path, "ada", None)
    assert (one.lesson, one.reports) == ("03", ()) and "is empty" in one.reason
    assert results.record(one, str(path), "")["of"] == 12
    assert grader.grade(tmp_path / "99_nothing.ipynb", "ada", None).lesson == ""


def test_an_answer_that_passes_the_public_cases_alone_is_flagged():
    one = recorded(points=3)
    cases = one["exercises"][0]["cases"]
    cases[-1].update(status=r.FAILED, feedback=hidden.WORDS)
    [flag] = results.flagged([one])["ada", "ada/00.ipynb"]
    assert flag.startswith("00.1 passes every case whose inputs are public")
    cases[0].update(status=r.FAILED, feedback="Got: 7")
    assert results.flagged([one]) == {}
