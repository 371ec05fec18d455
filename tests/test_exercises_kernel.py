"""The engine in a real IPython kernel: cards as HTML, cells as sources, the watchdog, the clock of `expect`."""

import re
from collections.abc import Iterator

import pytest
from engine_lesson import PREAMBLE, settings
from jupyter_client.manager import start_new_kernel
from waiting import LONG_ENOUGH, until


class Cells:
    """A kernel; `run` gives the outputs of one cell."""

    def __init__(self, client) -> None:
        self._client = client

    def run(self, code: str) -> list[dict]:
        """Run a cell; its outputs in order, each with a `kind` and its texts."""
        outputs = []

        def keep(message: dict) -> None:
            if message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
                outputs.append({"kind": message["msg_type"], **message["content"]})

        self._client.execute_interactive(code, output_hook=keep, timeout=LONG_ENOUGH)
        return outputs

    def text(self, code: str) -> str:
        """What a cell prints, and the plain text of what it displays."""
        return "".join(output.get("text") or output.get("data", {}).get("text/plain", "")
                       or "\n".join(output.get("traceback", ())) for output in self.run(code))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernel") / "my_work"


@pytest.fixture(scope="module")
def cells(folder) -> Iterator[Cells]:
    manager, client = start_new_kernel(kernel_name="python3", env=settings(folder))
    try:
        kernel = Cells(client)
        assert kernel.text(PREAMBLE) == ""
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_check_displays_one_card_in_both_forms_and_gives_nothing_back(cells):
    cells.run("def centred(r):\n    return r - r.mean()")
    outputs = cells.run('check("99.1", centred)')
    assert [output["kind"] for output in outputs] == ["display_data"]
    assert set(outputs[0]["data"]) == {"text/html", "text/plain"}
    assert 'class="course-card course-failed" role="status"' in outputs[0]["data"]["text/html"]
    assert outputs[0]["data"]["text/plain"].startswith("✗ 99.1 Centre the scores: not yet")
    assert [output["kind"] for output in cells.run("board()")] == ["display_data"]
    assert cells.text('check("99.1", centred) is None').endswith("True")


def test_an_exception_names_the_cell_and_the_line(cells):
    cells.run("def centred(r):\n    y = r + 1\n    return y[5, 7]")
    number = cells.text("len(In) - 2")
    assert f"cell In[{number}], line 3: return y[5, 7]" in cells.text('check("99.1", centred)')


def test_what_a_function_prints_stays_inside_its_card(cells):
    outputs = cells.run('import sys\ndef centred(r):\n    print("hello")\n    print("oh", file=sys.stderr)\n'
                        '    return r - r.mean(-1, keepdim=True)\ncheck("99.1", centred)')
    assert [output["kind"] for output in outputs] == ["display_data"]
    assert "Your code printed 2 lines:\n    | hello\n    | oh" in outputs[0]["data"]["text/plain"]


def test_a_functions_class_and_imports_are_collected_from_cells(cells, folder):
    cells.run("from __future__ import annotations\nimport torch.nn.functional as F, json")
    cells.run("from torch import sum as total")
    cells.run("%time x = 1\nclass Mean:\n    weight: Tensor = 1.0\n\n"
              "    @staticmethod\n    def of(r): return total(r, -1, keepdim=True) / r.shape[-1]")
    cells.run("EPS = 1e-12\ndef centred(r: Missing):\n    return r - Mean.of(r) + EPS")
    assert "passed" in cells.text('check("99.1", centred)')
    saved = (folder / "answers" / "99.1.py").read_text()
    assert "json" not in saved and "class Mean:" in saved and "from torch import sum as total" in saved
    assert re.search(r"your own function, saved .*\[\[-1\.0, 1\.0\]\]", cells.text(
        'print(mine("99.1")(torch.tensor([[1.0, 3.0]])).tolist())'), re.DOTALL)


def test_the_clock_of_expect_starts_with_the_cell(cells):
    cells.run('expect(True, "What the first claim imports is imported")')
    cells.run("import time\nbegan = time.process_time()\nwhile time.process_time() - began < 0.6: pass")
    said = cells.text('expect(True, "Nothing was computed in this cell")')
    assert float(re.search(r"([\d.]+) CPU-seconds", said)[1]) < 0.5


def test_the_watchdog_speaks_in_the_notebook_while_a_call_hangs(cells):
    cells.run("""
import threading
from dataclasses import replace
from unittest.mock import patch
from course_lib.exercises import checking, isolation, registry
heard, short = threading.Event(), registry.load("99.1")
def aloud(seconds, speak, *more):
    return isolation.time_limit(seconds, lambda text: (speak(text), heard.set()), *more)
def centred(r):
    assert heard.wait(200)
    return r
""")
    outputs = cells.run("""
with (patch.object(isolation, "can_interrupt", lambda: False),      # as on Windows, or inside one long C++ operation
      patch.object(checking, "time_limit", aloud),
      patch.object(checking, "load", lambda key: replace(short, cases=[replace(case, seconds=0.2)
                                                                       for case in short.cases]))):
    check("99.1", centred)""")
    streams = "".join(output.get("text", "") for output in outputs if output["kind"] == "stream")
    assert "centred([[1, 2, 6]]) has been running for more than 0.2 seconds" in streams
    assert "Kernel > Interrupt" in streams
    assert outputs[-1]["kind"] == "display_data"


def test_an_interrupt_from_the_menu_stops_a_check(folder, tmp_path):
    mark = tmp_path / "running"
    manager, client = start_new_kernel(kernel_name="python3", env=settings(folder))
    try:
        kernel = Cells(client)
        kernel.run(PREAMBLE + f"import time\ndef centred(r):\n    open({str(mark)!r}, 'w').close()\n"
                   "    print('x')\n    time.sleep(600)\n    return r")
        client.execute('check("99.1", centred)', stop_on_error=False)
        until(mark.exists)
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=LONG_ENOUGH)
        assert (reply["content"]["status"], reply["content"]["ename"]) == ("error", "KeyboardInterrupt")
        assert kernel.text("print('output works again')") == "output works again\n"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_strict_mode_fails_the_cell(cells):
    cells.run("import os\nfrom unittest.mock import patch\ndef centred(r): return r")
    outputs = cells.run("with patch.dict(os.environ, COURSE_STRICT='1'):\n    check('99.1', centred)")
    assert [output["kind"] for output in outputs] == ["display_data", "error"]
    assert outputs[1]["ename"] == "Fail" and "nothing was subtracted" in outputs[1]["evalue"]
