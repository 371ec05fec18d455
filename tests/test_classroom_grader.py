"""Hostile and broken notebooks: each gets exactly the points it earned, and none stops another.

Each is the solution of lesson 03 (12 points) with other code in the cell of 03.1 (2 points): what is wrong there must
cost these 2 points, and the other exercises nothing.
"""

import os
import socket
import sys
import textwrap
import threading
import time

import pytest
from handed_in import code, place, save, solution, with_code

from course_lib.classroom import grader, notebooks, sandbox
from course_lib.cli import main
from course_lib.errors import CourseError
from course_lib.exercises import registry
from course_lib.exercises.checking import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the grader needs Linux")

ALL = 12.0
WITHOUT = 10.0

RIGHT = '''
def bradley_terry_loss(r1, r2, mu):
    """The loss, in other words than the course's."""
    HERE
    p = torch.special.expit(r1 - r2)
    log_p, log_q = F.logsigmoid(r1 - r2), F.logsigmoid(r2 - r1)
    return (-(mu * log_p + (1 - mu) * log_q)).mean()
'''
WRONG = '''
def bradley_terry_loss(r1, r2, mu):
    HERE
    return -7.0 - (r1 ** 2).sum() * (mu + 3).sum()
'''


@pytest.fixture(scope="module")
def box():
    """For notebooks that do no harm: the safest sandbox that this machine has. Others get `shielded` (conftest.py)."""
    made = sandbox.find(trusted=True, limits=sandbox.Limits(memory=1200 * sandbox.MB))
    yield made
    made.close()


@pytest.fixture
def soon_too_slow(monkeypatch):
    """Limits of a few seconds, for answers without an end."""
    monkeypatch.setattr(grader, "SLOWER", 0.2)
    monkeypatch.setattr(grader, "THE_WAY", 2.0)
    monkeypatch.setattr("course_lib.classroom.student.DEFINES", 3.0)


def with_here(source, statements, before=""):
    """`source` with statements at the start of its function, and others before it."""
    inside = textwrap.indent(textwrap.dedent(statements).strip() or "pass", "    ").strip()
    return textwrap.dedent(before) + source.replace("HERE", inside)


def graded(tmp_path, source, box):
    """Grade the solution of lesson 03 with this code for 03.1."""
    return grader.grade(save(with_code("03.1", source), tmp_path / "03_bradley_terry.ipynb"), "ada", box)


def status(result, exercise="03.1"):
    """Of each case of an exercise."""
    return [outcome.status for report in result.reports if report.exercise.id == exercise
            for outcome in report.outcomes]


RIGHT_ANSWERS = {
    "in other words": ("", ""),
    "tqdm and warnings on stderr": ("""
        import sys, warnings
        from tqdm import tqdm
        for _ in tqdm(range(3)): pass
        warnings.warn("careful"); print("careful", file=sys.stderr)""", ""),
    "a thread left running": ("""
        import threading, time
        if not hasattr(torch, "mine"):
            torch.mine = threading.Thread(target=lambda: [time.sleep(0.1) for _ in iter(int, 1)])
            torch.mine.start()""", ""),
    "a library patched on the way": ("""
        import course_lib.exercises.compare as compare, course_lib.exercises.guard as guard
        compare.close = compare.fault_of = guard.same = lambda *a, **k: None
        torch.equal = torch.allclose = lambda *a, **k: True""", ""),
    "a gigabyte of output": ("""
        import sys
        if not hasattr(sys, "said"):
            sys.said = True
            for _ in range(1000): print("x" * 10**6)""", ""),
    "an endless loop beside it": ("", "while True:\n    pass\n"),
    "an exit beside it": ("", "import sys\nsys.exit()\n"),
    "an input hook": ("",
                      "get_ipython().input_transformers_post.append(lambda lines: ['check = print'])\n%matplotlib "
                      "inline\n"),
}


@pytest.mark.parametrize("what", RIGHT_ANSWERS)
def test_a_right_answer_gets_all_points(what, tmp_path, box):
    result = graded(tmp_path, with_here(RIGHT, *RIGHT_ANSWERS[what]), box)
    assert result.reason == "" and result.points == ALL, status(result)


WRONG_ANSWERS = {
    "a patched library": RIGHT_ANSWERS["a library patched on the way"][0],
    "frame inspection": """
        import sys
        frame = sys._getframe()
        while frame is not None:
            for name in ("expected", "right", "likely", "reference"):
                if name in frame.f_locals: return frame.f_locals[name]
            frame = frame.f_back""",
    "a search through memory": """
        import gc
        for one in gc.get_objects():
            if callable(one) and getattr(one, "__name__", "") == "bradley_terry_loss" and one is not bradley_terry_loss:
                return one(r1, r2, mu)""",
    "an object that lies when compared": """
        class Liar:
            __eq__ = __lt__ = __gt__ = __le__ = __ge__ = lambda self, other: True
            __array__ = lambda self, *a, **k: 1 / 0
            __float__ = lambda self: 0.6931
            __torch_function__ = classmethod(lambda *a, **k: True)
            shape, dtype, ndim, requires_grad = (), torch.float32, 0, True
        return Liar()""",
    "a tensor that lies when compared": """
        class Liar(torch.Tensor):
            __torch_function__ = classmethod(lambda *a, **k: torch.tensor(True))
        return (-7.0 - (r1 ** 2).sum() * (mu + 3).sum()).as_subclass(Liar)""",
    "a number that lies when compared": """
        class Liar(float):
            __eq__ = __sub__ = __rsub__ = lambda self, other: 0.0
        return Liar(-7.0 - (r1 ** 2).sum() * (mu + 3).sum())""",
    "a pickle": """
        class Payload:
            def __reduce__(self): return (exec, ("raise SystemExit",))
        return Payload()""",
    "arguments set to zero": "for x in (r1, r2, mu): x.detach().zero_()",
    "an exit": "raise SystemExit(0)",
    "an interrupt": "raise KeyboardInterrupt",
    "an exit without a word": "import os; os._exit(0)",
    "a killed kernel": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "the process that starts its like killed": """
        import os, signal
        if os.getppid() > 1: os.kill(os.getppid(), signal.SIGKILL)""",
    "a crash in C": "import ctypes; ctypes.string_at(0)",
    "a recursion without an end": "return bradley_terry_loss(r1, r2, mu)",
    "an endless loop": "while True: pass",
    "an endless loop that catches everything": """
        while True:
            try:
                while True: pass
            except BaseException: pass""",
    "a memory bomb": """
        kept = []
        while True: kept.append(torch.ones(1_000_000))""",
    "a memory bomb in many processes": """
        import os, time
        for _ in range(10):
            if os.fork() == 0:
                kept = b"x" * 400_000_000
                time.sleep(60); os._exit(0)
        time.sleep(60)""",
    "a fork bomb": """
        import os
        while True: os.fork()""",
    "a value of a gigabyte": "return torch.ones(10**9 // 4)",
    "a list in itself": "x = []; x.append(x); return x",
    "a generator without an end": "yield from iter(int, 1)",
    "garbage in the channel": """
        import os, struct
        for handle in range(3, 12):
            try: os.write(handle, struct.pack('<Q', 64) + os.urandom(64))
            except OSError: pass""",
    "a forged answer in the channel": """
        import os, json, struct
        head = json.dumps({"body": {"n": 7, "value": ["tuple", [None, 0.6931]]}, "random": [], "freed": [], "sync": [],
        "slopes": []}) frame = struct.pack('<II', len(head), 0) + head.encode()
        for handle in range(3, 12):
            try: os.write(handle, 50 * (struct.pack('<Q', len(frame)) + frame))
            except OSError: pass""",
}


@pytest.mark.parametrize("what", WRONG_ANSWERS)
def test_a_wrong_answer_gets_no_points_and_costs_no_other_exercise_any(what, tmp_path, shielded, request):
    if "endless" in what:
        request.getfixturevalue("soon_too_slow")
    result = graded(tmp_path, with_here(WRONG, WRONG_ANSWERS[what]), shielded)
    assert result.reason == "" and result.points == WITHOUT, status(result)
    assert result.reports[0].points == 0 and set(status(result)[1:]) <= {"failed", "skipped", "stopped"}
    first = shielded.running()
    left = [first, *first.children(recursive=True)] if first is not None else []
    assert len(left) <= 3, "processes were left running"        # bwrap twice, and the one that waits for the next


def test_arguments_that_are_changed_are_told_as_in_the_notebook(tmp_path, box):
    source = with_here(RIGHT, "mu.mul_(1.0).add_(1e-3)")
    result = graded(tmp_path, source, box)
    space = {}
    exec("import torch\nimport torch.nn.functional as F\n" + source, space)
    own = run(registry.load("03.1"), space["bradley_terry_loss"])
    assert [outcome.status for outcome in own.outcomes] == status(result) and own.points == result.reports[0].points
    assert "wrote into its argument" in result.reports[0].first_miss.mistake


def test_the_teachers_files_network_and_environment_are_out_of_reach(tmp_path, shielded, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_TEACHER", "1")
    book = tmp_path / "grades.csv"
    book.write_text("ada,0\n")
    book.chmod(0o666)
    tmp_path.chmod(0o777)
    reached = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: reached.append(server.accept()), daemon=True).start()
        source = with_here(RIGHT, f"""
            import os, socket, subprocess
            found = []
            for path in {[str(book), str(notebooks.paths.root() / 'lessons'), '/etc/passwd', '/root/.ssh', '/home']!r}:
                if os.path.exists(path): found.append(path)
            try:
                open({str(book)!r}, "a").write("ada,100")
                found.append("written")
            except OSError: pass
            for address in (("127.0.0.1", {server.getsockname()[1]}), ("1.1.1.1", 53)):
                try:
                    socket.create_connection(address, timeout=2)
                    found.append(address)
                except OSError: pass
            found += [key for key in os.environ if "SECRET" in key]
            if sum(pid.isdigit() for pid in os.listdir("/proc")) > 3: found.append("other processes")
            if os.getuid() == 0: found.append("root")
            if found: raise ValueError(str(found))""")
        result = graded(tmp_path, source, shielded)
    assert result.points == ALL, result.reports[0].first_miss
    assert not reached and book.read_text() == "ada,0\n"


def test_a_disk_filler_fills_its_own_small_folder(tmp_path, shielded):
    source = with_here(WRONG, """
        import os, tempfile
        written = 0
        for folder in ("/tmp", "/dev/shm", "/var/tmp", "/dev", "/", "/proc", os.path.expanduser("~")):
            for number in range(30):
                try:
                    with open(f"{folder}/filler{number}", "wb") as file:
                        for _ in range(400):
                            written += file.write(b"x" * 1_000_000)
                            file.flush()
                except OSError:
                    pass
        raise ValueError(f"{written / 1e6:.0f} MB")""")
    result = graded(tmp_path, source, shielded)
    assert result.points == WITHOUT
    written = float(result.reports[0].first_miss.got.split()[1])
    assert 30 < written < 3 * shielded.limits.folder / 1e6


@pytest.mark.parametrize("change", [
    "check deleted", "check edited", "check twice", "exercise twice", "no tags", "another name", "a stub behind it",
    "another cell", "a helper in another cell"])
def test_what_is_around_an_answer_costs_nothing(change, tmp_path, box):
    book, name = solution("03"), "03_bradley_terry.ipynb"
    cells, own, check = book["cells"], place(book, "exercise:03.1"), place(book, "check:03.1")
    if change == "check deleted":
        del cells[check]
    elif change == "check edited":
        cells[check]["source"] = "def check(*_):\n    print('all right')\ncheck('03.1', print)"
    elif change == "check twice":
        cells += [dict(cells[check]), dict(cells[check])]
    elif change == "exercise twice":
        cells.insert(own, dict(cells[own]))
    elif change == "no tags":
        for cell in cells:
            cell["metadata"] = {}
    elif change == "another name":
        name = "my homework (final) 2.ipynb"
    elif change == "a stub behind it":
        cells.append(code(notebooks.lesson("03").stubs[0], "exercise:03.1"))
    elif change == "another cell":
        cells.insert(own + 1, code(cells[own]["source"]))
        cells[own]["source"] = notebooks.lesson("03").stubs[0]
    else:
        cells[own]["source"] = ("SCALE = [1.0]\nSCALE.append(2.0)\n" + with_here(RIGHT,
                                                                                 "r1, r2 = scaled(r1), scaled(r2)"))
        cells.insert(1, code("import torch as t\ndef scaled(x):\n    return t.clone(x) * SCALE[1] / 2\n"))
    result = grader.grade(save(book, tmp_path / name), "ada", box)
    assert (result.lesson, result.reason) == ("03", "") and result.points == ALL, status(result)


@pytest.mark.parametrize(("source", "points"), [(RIGHT, ALL), (WRONG, WITHOUT)])
def test_a_plain_process_gives_the_same_points(source, points, tmp_path):
    plain = sandbox.find("plain", trusted=True)
    assert graded(tmp_path, with_here(source, ""), plain).points == points


def test_an_answer_that_is_missing_is_told_so_and_gets_no_points(tmp_path, box):
    book = solution("03")
    book["cells"][place(book, "exercise:03.1")]["source"] = "def bradley_terry_loss(r1, r2, mu)\n    return 0"
    result = grader.grade(save(book, tmp_path / "03_x.ipynb"), "ada", box)
    assert result.points == WITHOUT
    assert "no function or class `bradley_terry_loss`" in result.reports[0].first_miss.mistake
    assert "is no Python" in result.notes[0]


def test_an_endless_loop_that_an_answer_needs_costs_that_exercise_alone(tmp_path, box, soon_too_slow):
    endless = "TABLE = []\nwhile True:\n    TABLE.append(1)\n    TABLE.clear()\n"
    result = graded(tmp_path, with_here(RIGHT, "TABLE", endless), box)
    assert result.points == WITHOUT and "took too long" in result.reports[0].first_miss.mistake


@pytest.mark.parametrize(("content", "words"), [
    (b"", "is empty"), (b"  \n", "is empty"), (b'{"cells": [{"cell_type": "co', "no whole notebook"),
    ('{"cells": "ü"}'.encode("utf-16"), "not UTF-8"), (b"[]", "no cells"), (b'{"cells": []}', "no code cells"),
    (b"[" * 100_000, "no whole notebook"),
    (b'{"cells": [{"cell_type": "code", "source": "x = 1"}]}', "no lesson's exercises"),
    (b'{"cells": [{"cell_type": "code", "source": 7}, 8, null]}', "no lesson's exercises"),
])
def test_what_is_no_notebook_is_not_graded_which_is_not_zero(content, words, tmp_path, box):
    path = tmp_path / "ada.ipynb"
    path.write_bytes(content)
    result = grader.grade(path, "ada", box)
    assert words in result.reason and result.reports == ()
    with pytest.raises(ValueError, match="not graded"):
        _ = result.points


def test_links_devices_and_giant_files_are_not_read(tmp_path, box):
    secret = save(solution("03"), tmp_path / "teacher" / "03_solution.ipynb")
    link = tmp_path / "03_link.ipynb"
    link.symlink_to(secret)
    assert "is a link" in grader.grade(link, "ada", box).reason
    pipe = tmp_path / "03_pipe.ipynb"
    os.mkfifo(pipe)
    assert "no ordinary file" in grader.grade(pipe, "ada", box).reason
    giant = tmp_path / "03_giant.ipynb"
    with giant.open("wb") as file:
        file.truncate(2**30)
    assert "Clear the outputs" in grader.grade(giant, "ada", box).reason
    assert "cannot be read" in grader.grade(tmp_path / "03_none.ipynb", "ada", box).reason


def test_a_plain_process_wants_the_teachers_word(monkeypatch):
    monkeypatch.setattr(sandbox, "_bubblewrap", lambda limits: None)
    with pytest.raises(CourseError, match="--i-trust-these-notebooks"):
        sandbox.find("plain")
    with pytest.raises(CourseError, match="Install bubblewrap"):
        sandbox.find()
    with pytest.raises(CourseError, match="There is no backend 'vm'"):
        sandbox.find("vm")
    with pytest.raises(CourseError, match="--image"):
        sandbox.find("docker")
    found = sandbox.find(trusted=True)
    assert found.name == "plain" and "NOT protected" in found.says


def test_a_container_gets_no_network_no_rights_and_no_files(monkeypatch):
    monkeypatch.setattr(sandbox, "_bubblewrap", lambda limits: None)
    monkeypatch.setattr(sandbox, "_works", lambda command: command[0] == "podman")
    found = sandbox.find(image="course:1")
    line = " ".join(found.command(notebooks.Path("/nowhere")))
    assert line.startswith("podman run --rm --interactive") and "--volume" not in line and "-v " not in line
    for part in ("--network none", "--read-only", "--cap-drop ALL", "--user 65534:65534", "--pids-limit 64",
                 "no-new-privileges"):
        assert part in line
    assert line.endswith("course:1 python -s -B -m course_lib.classroom.worker")


def test_a_process_that_does_not_start_leaves_the_notebook_ungraded(tmp_path, monkeypatch):
    broken = sandbox.Plain(sandbox.Limits())
    monkeypatch.setattr(broken, "command", lambda folder: ["sh", "-c", "echo no such module >&2; exit 3"])
    result = grader.grade(save(solution("03"), tmp_path / "03.ipynb"), "ada", broken)
    assert result.reason.startswith(grader.GRADER) and "no such module" in result.reason


@pytest.mark.parametrize("lesson", ["00", "05"])
def test_a_solution_gets_all_points_and_a_stub_none(lesson, box):
    root = notebooks.paths.root()
    whole = sum(exercise.points for exercise in registry.of_lesson(lesson))
    for folder, points in (("solutions", whole), ("exercises", 0)):
        result = grader.grade(next((root / folder).glob(f"{lesson}_*.ipynb")), "ada", box)
        assert result.reason == "" and result.points == points, (folder, result.reports)


def test_the_command_grades_a_class_with_hidden_inputs(tmp_path, capsys):
    """One right notebook, one that knows the public inputs of 00.1 by heart, one that is empty."""
    known = [([str(one) for one in answers], preferred) for answers, preferred in _public("00.1")]
    by_heart = f"""
def preferred_share(answers):
    for given, share in {known!r}:
        if list(answers) == given: return share
    return 731.25
"""
    folder = tmp_path / "class" / "submitted"
    save(solution("00"), folder / "ada" / "00_start_here.ipynb")
    save(with_code("00.1", by_heart), folder / "bob" / "00_start_here.ipynb")
    (folder / "cleo").mkdir()
    (folder / "cleo" / "00.ipynb").write_bytes(b"")
    main(["classroom", "init", str(tmp_path / "class")])
    out = tmp_path / "results"
    command = ["grade", str(folder), "--class", str(tmp_path / "class"), "--out", str(out), "--i-trust-these-notebooks"]
    assert main(command) == 1                           # one was not graded
    said = capsys.readouterr().out
    assert "ada  3 of 3" in said and "bob  2 of 3" in said and "cleo  Not graded, because the file is empty" in said
    assert "bob" in said.partition("Look at ")[2] and "no others" in said
    told = (out / "results.json").read_text(encoding="utf-8")
    assert "731.25" not in told
    main([*command, "--again"])
    assert (out / "results.json").read_text(encoding="utf-8") == told


def _public(exercise):
    """The inputs of an exercise's cases in a notebook, with what is right for them."""
    found, right = [], registry.load(exercise).load_reference()

    def notes(*args):
        found.append((*args, right(*args)))
        return right(*args)

    run(registry.load(exercise), notes)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("lesson", registry.lessons())
def test_every_solution_gets_all_points_and_every_stub_none(lesson, monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "ci")
    box = sandbox.find(trusted=True)
    root = notebooks.paths.root()
    whole = sum(exercise.points for exercise in registry.of_lesson(lesson))
    began = time.monotonic()
    for folder, points in (("solutions", whole), ("exercises", 0)):
        result = grader.grade(next((root / folder).glob(f"{lesson}_*.ipynb")), "ada", box)
        assert result.reason == "" and result.points == points, (folder, result.reports)
    print(f"lesson {lesson}: {time.monotonic() - began:.0f} s")
