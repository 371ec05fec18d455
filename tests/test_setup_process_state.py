"""What a test leaves behind in its process is seen, whatever comes after it."""

import os
import signal
import sys

import matplotlib.pyplot as plt
import pytest
import torch
from process_state import left_behind, process_state

LEAVES = {
    "$COURSE_OF_A_TEST": lambda patch, folder: patch.setenv("COURSE_OF_A_TEST", "1"),
    "the working folder": lambda patch, folder: patch.chdir(folder),
    "sys.path": lambda patch, folder: patch.setattr(sys, "path", [*sys.path, str(folder)]),
}
SWITCHES = {
    "torch's threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's gradients": lambda: torch.set_grad_enabled(False),
    "the handler of SIGINT": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
}


@pytest.mark.parametrize("what", LEAVES)
def test_the_processs_own(what, monkeypatch, tmp_path):
    before = process_state()
    assert left_behind(before, process_state()) == []
    with monkeypatch.context() as patch:
        LEAVES[what](patch, tmp_path)
        [line] = left_behind(before, process_state())
    assert line.startswith(f"{what}: ") and left_behind(before, process_state()) == []


@pytest.fixture
def put_back():
    threads, dtype, handler = torch.get_num_threads(), torch.get_default_dtype(), signal.getsignal(signal.SIGINT)
    yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(True)
    signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize("what", SWITCHES)
def test_switches(what, put_back):
    before = process_state()
    SWITCHES[what]()
    [line] = left_behind(before, process_state())
    assert line.startswith(f"{what}: ")


def test_what_the_first_import_of_a_library_brings_is_no_change():
    after = {**process_state(), "$LIBRARYS_OWN": "1"}
    before = {name: value for name, value in after.items() if not name.startswith(("torch's", "$LIBRARYS_OWN"))}
    assert left_behind(before, after) == []
    assert left_behind(after, before) != [], "what was there and is gone, is"


@pytest.mark.parametrize("which", ["one", "the next"])
def test_open_figures_and_settings_do_not_reach_the_next_test(which):
    assert plt.get_fignums() == [] and plt.rcParams["lines.linewidth"] != 77
    plt.figure()
    plt.rcParams["lines.linewidth"] = 77


def test_a_variable_of_pytest_is_its_own():
    assert "PYTEST_CURRENT_TEST" in os.environ and "$PYTEST_CURRENT_TEST" not in process_state()
