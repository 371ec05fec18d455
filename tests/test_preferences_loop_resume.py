"""A killed kernel costs nothing: the run goes on and ends where it would have ended, to the last digit."""

import os
import shutil
import signal

import pytest
import torch
from preference_loop import SMALL, STEPS, SYNTHETIC, finish, make, outcome, same

import course_lib.atomic
from course_lib.errors import CourseError
from course_lib.preferences.loop import LoopConfig
from course_lib.preferences.reward_model import standardize_rewards
from course_lib.training.checkpoint import CheckpointError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the run leads to when nobody interrupts it."""
    return outcome(finish(make(tmp_path_factory.mktemp("whole"))))


def test_a_new_loop_after_every_step(tmp_path, whole):
    loop = make(tmp_path)
    while loop.stage != "finished":
        STEPS[loop.stage](loop)
        loop = make(tmp_path)
    assert same(outcome(loop), whole)


def test_the_outcome_depends_on_the_seed(tmp_path, whole):
    """Or the comparisons above would prove nothing."""
    other = LoopConfig(**{**vars(SMALL), "seed": 4})
    assert not same(outcome(finish(make(tmp_path, other))), whole)


def test_leaving_the_training_and_going_on(tmp_path, whole):
    loop = make(tmp_path)
    for stage in ("collect", "label", "fit"):
        STEPS[stage](loop)
    for _ in loop.train():
        break
    loop = make(tmp_path)
    assert loop.stage == "train" and loop.ppo.updates == 1
    assert same(outcome(finish(loop)), whole)


def test_half_of_the_pairs_labelled(tmp_path, whole):
    loop = make(tmp_path)
    loop.collect()
    loop.labeler(SYNTHETIC).answer_synthetic(2)
    loop = make(tmp_path)
    assert loop.stage == "label" and loop.answered == 2
    assert same(outcome(finish(loop)), whole)


def killed_at_write(folder, number: int, after: bool, run=lambda folder: finish(make(folder))) -> bool:
    """Let `run(folder)` go on in a process of its own, killed at its `number`-th write, before or after the rename.

    Returns False when the process came to its end before that.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed by itself"
        return os.WIFSIGNALED(status)
    try:
        replace, count = os.replace, 0

        def deadly(source, target):
            nonlocal count
            count += 1
            if count == number and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        course_lib.atomic.os.replace = deadly
        run(folder)
        os._exit(0)
    except BaseException:
        os._exit(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_each_write_to_the_disk(tmp_path, whole, after):
    writes = 0
    while killed_at_write(tmp_path / str(writes), writes + 1, after):
        loop = make(tmp_path / str(writes))
        assert same(outcome(finish(loop)), whole), f"killed at write {writes + 1}"
        assert len(list((tmp_path / str(writes) / "run").glob("trainer-*.pt"))) == 1
        shutil.rmtree(tmp_path / str(writes))
        writes += 1
    assert writes == 2 * (4 * 2 + 2 + 1)                # two files at each of 8 steps and after 3 updates in between


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", None])
def test_a_damaged_state_says_what_to_do_and_the_labels_are_found_again(tmp_path, whole, damage):
    loop = finish(make(tmp_path))
    state = tmp_path / "run" / "loop.pt"
    state.write_bytes(state.read_bytes()[:2000] if damage is None else damage)
    with pytest.raises(CheckpointError, match="labels are safe in .*labels.sqlite"):
        make(tmp_path)
    (tmp_path / "run").rename(tmp_path / "aside")
    loop = make(tmp_path)
    while loop.stage != "finished":
        if loop.stage == "label":                           # nobody has to answer anything again
            loop.label(loop.labeler().require())
        else:
            STEPS[loop.stage](loop)
    assert same(outcome(loop), whole)


def test_a_missing_trainer_file_is_a_damaged_state(tmp_path):
    loop = make(tmp_path)
    loop.collect()
    next((tmp_path / "run").glob("trainer-*.pt")).unlink()
    with pytest.raises(CheckpointError, match="labels are safe"):
        make(tmp_path)


def test_a_state_with_a_part_missing(tmp_path):

    make(tmp_path).collect()
    path = tmp_path / "run" / "loop.pt"
    state = torch.load(path, weights_only=True)
    del state["asked"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match="not a state of this loop"):
        make(tmp_path)


def test_other_settings_are_refused_with_the_difference(tmp_path):
    make(tmp_path).collect()
    with pytest.raises(CheckpointError, match=r"clip_steps 8 there, 6 here"):
        make(tmp_path, LoopConfig(**{**vars(SMALL), "clip_steps": 6}))


def test_two_notebooks_on_one_folder_are_noticed(tmp_path):
    one = make(tmp_path)
    one.collect()
    two = make(tmp_path)
    STEPS["label"](two)
    with pytest.raises(CourseError, match="Another notebook"):
        STEPS["label"](one)
    assert make(tmp_path).stage == "fit"


def test_a_run_saved_before_ends_were_absorbing_is_refused(tmp_path):

    make(tmp_path).collect()
    path = tmp_path / "run" / "loop.pt"
    state = torch.load(path, weights_only=True)
    del state["config"]["absorbing_steps"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match="absorbing_steps None there, 20 here"):
        make(tmp_path)


def test_a_run_saved_before_agents_could_explore_goes_on(tmp_path):
    make(tmp_path).collect()
    path = tmp_path / "run" / "loop.pt"
    state = torch.load(path, weights_only=True)
    del state["config"]["exploration_updates"]
    torch.save(state, path)
    assert make(tmp_path).stage == "label"


def test_a_function_of_ones_own_standardizes(tmp_path):
    calls = []

    def own(raw, labelled, std):
        calls.append((labelled, std))
        return standardize_rewards(raw, labelled, std)

    loop = finish(make(tmp_path, standardize=own))
    members = loop.config.reward.members
    assert len(calls) == 5 * members and all(std == 0.15 for _, std in calls)
    assert [tuple(labelled.shape) for labelled, _ in calls] == members * 3 * [(10, 8)] + members * 2 * [(18, 8)]
    assert torch.equal(torch.stack([labelled for labelled, _ in calls[-members:]]), loop.ensemble.labelled)
