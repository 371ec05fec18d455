"""`course doctor`: each fault is seen, named and given a remedy; warnings do not fail."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from course_lib import doctor
from course_lib.doctor import FAULT, NOTE, OK, Finding


@pytest.fixture
def lock(tmp_path, monkeypatch):
    """A checkout whose lock holds what the test writes."""
    def write(*pins: str) -> None:
        (tmp_path / "requirements.lock").write_text("# a comment\n" + "\n".join(pins) + "\n")
        monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    return write


def test_a_missing_package_is_a_fault(lock):
    lock("numpy==0.0.1", "no-such-package==1.0")
    found = doctor.packages()
    assert (found.state, found.text) == (FAULT, "missing: no-such-package")
    assert "-m pip install -r" in found.remedy


def test_another_version_is_a_warning(lock):
    lock("numpy==0.0.1")
    found = doctor.packages()
    assert found.state == NOTE and "numpy" in found.text and "(lock: 0.0.1)" in found.text


def test_the_local_part_of_a_version_does_not_count(lock, monkeypatch):
    lock("torch==2.13.0")
    monkeypatch.setattr("importlib.metadata.version", lambda _: "2.13.0+cpu")
    assert doctor.packages().state == OK


@pytest.mark.parametrize(("free", "state"), [(0.5e9, FAULT), (2e9, NOTE), (50e9, OK)])
def test_disk(monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100e9, 100e9 - free, int(free)))
    found = doctor.disk()
    assert found.state == state and bool(found.remedy) == (state != OK)


@pytest.mark.parametrize(("total", "free", "state"), [(4, 3, NOTE), (16, 1, NOTE), (16, 9, OK)])
def test_memory(monkeypatch, total, free, state):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"total": total * 2**30,
                                                                              "available": free * 2**30}))
    assert doctor.memory().state == state


def test_a_damaged_progress_file_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    (tmp_path / "progress.sqlite").write_bytes(b"this was a database once" * 100)
    found = doctor.work_folder()
    assert found.state == FAULT and "progress.sqlite is damaged" in found.text and "move the file away" in found.remedy


def test_a_work_folder_that_cannot_be_made_is_a_fault(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_WORK", str(tmp_path / "file" / "my_work"))
    found = doctor.work_folder()
    assert found.state == FAULT and f"{tmp_path / 'file'} cannot be written" in found.text


@pytest.mark.parametrize("program", ["/opt/other/bin/python3", None])
def test_the_kernel_must_start_this_python(tmp_path, monkeypatch, program):
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [program or sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    found = doctor.kernel()
    if program is None:
        assert found.state == OK
    else:
        assert found.state == FAULT and f"the kernel python3 is {program}, another Python" in found.text
        assert "-m ipykernel install --sys-prefix --name python3" in found.remedy


def test_missing_front_ends_are_a_fault_with_the_packages_that_bring_them(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    found = doctor.widgets()
    assert found.state == FAULT and found.text == "JupyterLab has no front end for anywidget, ipywidgets"
    assert "anywidget==" in found.remedy and "jupyterlab_widgets==" in found.remedy


def test_missing_data_is_a_fault_and_says_which_lessons_wait(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    (tmp_path / "vader-lexicon").mkdir()
    found = doctor.assets()
    assert found.state == FAULT and "human-ratings is missing" in found.text
    assert "vader-lexicon: vader_lexicon.txt is missing" in found.text
    assert "Lessons that wait for it: 00, 03" in found.text and "`course assets`" in found.remedy


def test_more_threads_than_cores_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor, "usable_cores", lambda: 1)
    monkeypatch.setattr("torch.get_num_threads", lambda: 8)
    found = doctor.torch()
    assert found.state == NOTE and "8 threads on 1 core," in found.text and "OMP_NUM_THREADS=1" in found.remedy


def test_another_python_than_the_courses_own_is_a_warning(tmp_path, monkeypatch):
    (tmp_path / ".venv").mkdir()
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    assert doctor.python().state == NOTE
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    assert doctor.python().state == FAULT


def test_a_check_that_breaks_is_a_fault_and_the_others_still_run(monkeypatch):
    def broken_part():
        raise RuntimeError("libgomp.so.1 not found")

    monkeypatch.setattr(doctor, "CHECKS", (broken_part, doctor.browser))
    first, second = doctor.findings()
    assert first == Finding("broken part", FAULT, "could not be checked: RuntimeError: libgomp.so.1 not found",
                            doctor.SET_UP)
    assert second.what == "Chromium"


@pytest.mark.parametrize(("states", "code", "last"), [((OK, OK), 0, "no faults, no warnings."),
                                                      ((OK, NOTE), 0, "no faults, 1 warning."),
                                                      ((FAULT, FAULT), 1, "2 faults, no warnings.")])
def test_the_exit_code_is_that_of_the_faults(monkeypatch, capsys, states, code, last):
    monkeypatch.setattr(doctor, "findings", lambda: [Finding(f"part {n}", s, "text") for n, s in enumerate(states)])
    assert doctor.run(None) == code
    assert capsys.readouterr().out.rstrip().splitlines()[-1] == last


def test_the_table_is_aligned_and_plain():
    text = doctor.table([Finding("disk", OK, "plenty"), Finding("your work", FAULT, "word " * 40, "mend it")])
    rows = text.splitlines()
    assert rows[0] == "ok       disk       plenty"
    assert rows[1].startswith("FAULT    your work  word") and rows[2].startswith(" " * 20 + "word")
    assert rows[-1] == " " * 20 + "-> mend it"
    assert max(map(len, rows)) <= 100 and text.isascii()


def test_paths_with_spaces_can_be_pasted(monkeypatch):
    monkeypatch.setattr(sys, "executable", str(Path("/my course/.venv/bin/python")))
    quote = '"' if os.name == "nt" else "'"
    assert doctor.python_command("-m", "pip").startswith(quote)


# ---- labels, progress, home ----------------------------------------------------------------------------------------

@pytest.fixture
def label_file(tmp_path, monkeypatch):
    """The learner's own label file, with two labels."""
    from labelling import into_one_file, many_labels

    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    store = many_labels(tmp_path / "labels" / "preferences.sqlite", 2)
    into_one_file(store)
    store.close()
    return store.path


def test_no_label_file_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    assert doctor.labels().state == OK and "no label file yet" in doctor.labels().text


def test_a_whole_label_file_is_counted_and_left_alone(label_file):
    before = {file: file.read_bytes() for file in label_file.parent.iterdir()}
    found = doctor.labels()
    assert found.state == OK and found.text.startswith("2 labels in ")
    assert {file: file.read_bytes() for file in label_file.parent.iterdir()} == before


@pytest.mark.parametrize("damage", [lambda whole: whole[:len(whole) // 2], lambda whole: b"not a database" * 500,
                                    lambda whole: whole[:8192] + bytes(4096) + whole[12288:]])
def test_a_damaged_label_file_is_a_fault(label_file, damage):
    label_file.write_bytes(damage(label_file.read_bytes()))
    found = doctor.labels()
    assert found.state == FAULT and "preferences.sqlite is damaged" in found.text
    assert "course labels check" in found.remedy


def test_labels_on_a_network_folder_are_a_warning(label_file, monkeypatch):
    monkeypatch.setattr("course_lib.labels.label_file.network_folder", lambda _: "nfs4")
    found = doctor.labels()
    assert found.state == NOTE and "network folder (nfs4)" in found.text and "COURSE_WORK" in found.remedy


def test_a_progress_file_without_tables_is_a_fault(tmp_path, monkeypatch):
    import sqlite3

    monkeypatch.setenv("COURSE_WORK", str(tmp_path))
    with sqlite3.connect(tmp_path / "progress.sqlite") as raw:
        raw.execute("CREATE TABLE something(else_)")
    raw.close()
    found = doctor.work_folder()
    assert found.state == FAULT and "its tables are missing" in found.text and "move the file away" in found.remedy


def test_a_home_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    found = doctor.home()
    assert found.state == NOTE and "cannot be written" in found.text and "my_work/.course" in found.remedy


def test_the_table_has_the_new_rows():
    assert {doctor.labels, doctor.home} <= set(doctor.CHECKS)
