"""Attacks on the grader's own process and on the run of a class: what a hostile notebook must not stop, fill or read.

tests/test_classroom_grader.py holds the points of hostile answers; here a notebook writes into the channel, leaves
traps for the next one, or carries hidden inputs out in a text that its student gets to read.
"""

import json
import os
import re
import struct
import sys
import textwrap
import time

import pytest
from handed_in import code, place, save, solution, with_code

from course_lib.classroom import definitions, grader, grading, notebooks, results, wire
from course_lib.classroom.errors_across import built
from course_lib.classroom.graders_door import GradersDoor
from course_lib.classroom.mirrors import Mirrors
from course_lib.exercises import agree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the grader needs Linux")

ALL, WITHOUT = 12.0, 10.0               # points of lesson 03, and without 03.1

CHANNEL = '''
import json, os, socket, struct, threading

def channel():
    """The student's end of the channel: the only socket of this process."""
    for handle in range(3, 40):
        try:
            return socket.socket(fileno=os.dup(handle))
        except OSError:
            pass

def frame(body, parts=(), **more):
    head = json.dumps({"body": body, "random": [], "freed": [], "sync": [], "slopes": [], **more}).encode()
    rest = struct.pack(f"<II{len(parts)}Q", len(head), len(parts), *map(len, parts)) + head + b"".join(parts)
    return struct.pack("<Q", len(rest)) + rest
'''


def answer(statements, before="", channel=True):
    """A wrong answer to 03.1 that runs `statements` first."""
    inside = textwrap.indent(textwrap.dedent(statements).strip() or "pass", "    ")
    return (f"{CHANNEL if channel else ''}\n{textwrap.dedent(before)}\n"
            f"def bradley_terry_loss(r1, r2, mu):\n{inside}\n    return r1.sum() * 0 - 7\n")


def graded(tmp_path, source, box, **more):
    """Grade lesson 03's solution with this code for 03.1."""
    return grader.grade(save(with_code("03.1", source), tmp_path / "03_bradley_terry.ipynb"), "ada", box, **more)


def words(result):
    """All that a student gets to read, as JSON."""
    return json.dumps(results.record(result, "x", "y"), ensure_ascii=True)


FLOOD = '''
def flood():
    line = channel()
    threading.Thread(target=lambda: [line.recv(1 << 20) for _ in iter(int, 1)], daemon=True).start()
    while True:
        line.sendall(20 * frame({"do": "get", "n": 1, "about": ["tuple", [5, "nothing"]]}))
'''


@pytest.mark.parametrize("place_", ["in a call", "beside the answer"])
def test_questions_without_an_end_are_answered_until_time_is_up(place_, tmp_path, shielded, monkeypatch):
    monkeypatch.setattr("course_lib.classroom.student.DEFINES", 3.0)
    monkeypatch.setattr(grader, "SLOWER", 0.2)
    monkeypatch.setattr(grader, "THE_WAY", 2.0)
    source = answer("flood()", FLOOD) if place_ == "in a call" else answer("FLOODED", FLOOD + "\nFLOODED = flood()\n")
    began = time.monotonic()
    result = graded(tmp_path, source, shielded)
    assert result.reason == "" and result.points == WITHOUT, words(result)
    assert time.monotonic() - began < 120


COLLISIONS = """
    line = channel()
    numbers = [n * (2**61 - 1) for n in range(150_000)]             # all have the hash 0
    line.sendall(frame({"n": 1, "value": ["set", numbers]}))
    while True: pass
"""


def test_an_answer_that_takes_the_grader_ages_to_read_is_given_up(tmp_path, shielded, monkeypatch):
    monkeypatch.setattr("course_lib.classroom.student.DEFINES", 3.0)
    source = answer("SLOW", "def slow():" + COLLISIONS + "\nSLOW = slow()\n")
    began = time.monotonic()
    result = graded(tmp_path, source, shielded)
    assert result.reason == "" and result.points == WITHOUT, words(result)
    assert time.monotonic() - began < 120


def test_a_process_that_stops_the_one_that_starts_its_like_stops_no_other_student(tmp_path, shielded, monkeypatch):
    monkeypatch.setattr("course_lib.classroom.running.CLEANS", 2.0)
    source = answer("import signal; os.kill(os.getppid(), signal.SIGSTOP); os._exit(0)")
    assert graded(tmp_path, source, shielded).points == WITHOUT
    assert grader.grade(save(solution("03"), tmp_path / "03.ipynb"), "bob", shielded).points == ALL


def test_the_grader_reads_no_more_than_it_has_room_for():
    head = b"[" + b"0," * (wire.HEAD // 2) + b"0]"
    with pytest.raises(wire.Refused, match="too long"):
        wire.unpack(memoryview(struct.pack("<II", len(head), 0) + head))
    with pytest.raises(wire.Refused, match="neither tensor nor array"):
        wire.pack([0] * (wire.HEAD // 2 + 1), [])


def test_a_notebook_cannot_fill_the_grader_with_networks(monkeypatch):
    class End:
        first = 0

    monkeypatch.setattr("course_lib.classroom.mirrors.HELD", 1000)
    kept = Mirrors(End())
    reader = wire.Reader([bytearray(400) for _ in range(3)], lambda tree, r: None)
    tree = ["tensor", 0, "float32", [100], [0]]
    kept.take([[1, ["new", True, True, tree]], [3, ["new", False, False, tree]]], reader)
    with pytest.raises(wire.Refused, match="more networks"):
        kept.take([[5, ["new", True, True, tree]]], reader)
    kept.take([[1, ["values", True, ["tensor", 0, "float32", [100, 1], [0, 1]]]]], reader)      # in the place of others


def test_errors_of_the_grader_are_kept_without_what_they_were_about():
    door = GradersDoor()

    def fails(large):
        raise KeyError("no")

    try:
        fails(bytes(1000))
    except KeyError as error:
        told = door.told(error)
    assert told["back"] == 0 and door.as_error(told).__traceback__ is None


def test_the_end_of_a_loop_cannot_be_sent_as_an_error():
    """`for got in map(answer, inputs)` would end early, and the case would pass."""
    for name in ("StopIteration", "StopAsyncIteration", "GeneratorExit"):
        assert not isinstance(built(name, name, "x"), StopIteration | StopAsyncIteration | GeneratorExit)


CARRIES = '''
import torch
import torch.nn.functional as F

def bradley_terry_loss(r1, r2, mu):
    """My own loss."""
    torch.seen = [*getattr(torch, "seen", []), r1.tolist()]
    return -(mu * F.logsigmoid(r1 - r2) + (1 - mu) * F.logsigmoid(r2 - r1)).mean()
'''


def test_no_text_carries_hidden_inputs_out_through_another_exercise(tmp_path, shielded):
    book = with_code("03.1", CARRIES)
    book["cells"][place(book, "exercise:03.2")]["source"] = (
        "import torch, os\n"
        "LEFT = [name for name in os.listdir('/tmp') if 'left' in name]\n"
        "def choices_to_targets(choices, flipped):\n"
        "    open('/tmp/left', 'w').write('x')\n"
        "    raise ValueError(f'carried {len(getattr(torch, \"seen\", []))} {LEFT}')\n")
    result = grader.grade(save(book, tmp_path / "03.ipynb"), "ada", shielded, seed=5)
    [carried] = set(re.findall(r"ValueError: carried (\d+) \[\]", words(result)))      # nothing was left in a file
    assert int(carried) < agree.TIMES, "calls of a case whose inputs are public, no hidden ones"
    assert result.points == ALL - 2


@pytest.mark.parametrize("ending", ["os._exit(0)", "raise NotImplementedError(text)", "raise SystemExit(text)",
                                    "return text", "raise ValueError(text)", "raise type(text, (Exception,), {})"])
def test_a_case_with_hidden_inputs_tells_none_of_them_however_it_ends(ending, tmp_path, shielded):
    book = with_code("00.1", f"""import os
PUBLIC = [["left", "right", "left", "left"], ["left", "equal"], ["left", "skip", "skip", "right"]]
def preferred_share(answers):
    text = "carried_" + "_".join(answers)
    if list(answers) in PUBLIC:
        return [0.75, 0.75, 0.5][PUBLIC.index(list(answers))]
    {ending}
""")
    result = grader.grade(save(book, tmp_path / "00.ipynb"), "ada", shielded, seed=5)
    assert result.reason == "" and [one.status for one in result.reports[0].outcomes[:3]] == ["passed"] * 3
    last = results.record(result, "x", "y")["exercises"][0]["cases"][3]
    assert last["status"] in ("failed", "stopped", "unwritten") and "carried" not in words(result)
    assert "preferred_share(" not in last["feedback"] and "[" not in last["feedback"], last


def test_an_answer_of_an_earlier_process_is_there_for_mine(tmp_path, shielded):
    """With hidden inputs each exercise gets a process of its own."""
    book = with_code("03.2", "from course_lib import mine\nloss = mine('03.1')\n"
                             "def choices_to_targets(choices, flipped):\n    raise ValueError(loss.__doc__)\n")
    book["cells"][place(book, "exercise:03.1")]["source"] = CARRIES
    result = grader.grade(save(book, tmp_path / "03.ipynb"), "ada", shielded, seed=5)
    assert "My own loss" in words(result) and result.points == ALL - 2


def test_half_a_character_in_an_error_or_a_name_stops_no_class(tmp_path, shielded):
    folder = tmp_path / "submitted"
    save(with_code("00.1", "def preferred_share(answers):\n    raise ValueError('\\ud800')\n"),
         folder / "ada" / "00.ipynb")
    odd = os.fsencode(folder / "ada" / "00.ipynb").replace(b"/ada/00", b"/bo\xff/00\xfe")
    os.makedirs(os.path.dirname(odd))
    with open(odd, "wb") as file:
        file.write((folder / "ada" / "00.ipynb").read_bytes())
    out = results.Results(tmp_path / "out")
    found = notebooks.find([folder])
    first = grading.grade_all(found, out, shielded)
    assert [one["points"] for one in first] == [2, 2]
    kept = [(out.folder / name).read_bytes() for name in (results.JSON, results.CSV)]
    grading.grade_all(found, out, shielded)
    assert [(out.folder / name).read_bytes() for name in (results.JSON, results.CSV)] == kept


@pytest.mark.parametrize("blanks", ["\n", " ", "? ", "%"])
def test_a_cell_of_blanks_costs_no_time(blanks):
    """Cells that are no Python are read again without their magics; that must not take the square of their length."""
    began = time.process_time()
    assert definitions.Notebook([")" + blanks * 400_000 + "x"]).faults
    assert time.process_time() - began < 20


def test_a_notebook_that_cannot_be_taken_in_costs_itself_alone(tmp_path, shielded, monkeypatch):
    monkeypatch.setattr("course_lib.classroom.student.DEFINES", 1e-4)
    result = graded(tmp_path, answer(""), shielded)
    assert result.reason == "" and result.points == 0
    monkeypatch.undo()
    assert grader.grade(save(solution("03"), tmp_path / "03.ipynb"), "bob", shielded).points == ALL


def test_more_code_than_anybody_writes_is_not_graded(tmp_path, shielded):
    book = solution("03")
    book["cells"] += [code("x = 1\n" * 100_000) for _ in range(2)]
    result = grader.grade(save(book, tmp_path / "03.ipynb"), "ada", shielded)
    assert "characters" in result.reason and "hand it in again" in result.reason


def test_mine_gives_the_courses_own_for_what_is_not_solved_and_for_nothing_behind_it(tmp_path, shielded):
    """00.1 and 00.3 are answered in the course's file of checks, which the sandbox does not have."""
    book = with_code("00.3", "from course_lib import mine\nshare = mine('00.1')\n"
                             "def mean_reward(*args):\n    raise ValueError(f'share {share([\"left\", \"equal\"])}')\n")
    book["cells"][place(book, "exercise:00.1")]["source"] = (
        "from course_lib import mine\ndef preferred_share(answers):\n    return mine('00.1')(answers)\n")
    result = grader.grade(save(book, tmp_path / "00.ipynb"), "ada", shielded)
    assert "share 0.75" in words(result) and [report.points for report in result.reports] == [0, 1, 0]
