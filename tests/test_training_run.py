"""The loop that all trainings share: goals, checkpoints, resuming, and a number that is not finite."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from course_lib.training.checkpoint import CheckpointError, save_checkpoint
from course_lib.training.resume import TrainingDiverged, load_matching, settings_that_differ
from course_lib.training.run import NotFinite, Stopwatch, TrainingRun, gradient_step, require_finite


@dataclass(frozen=True)
class Config:
    updates: int = 6
    checkpoint_every: int = 2
    learning_rate: float = 0.1
    seed: int = 1


@dataclass(frozen=True)
class Point:
    update: int
    loss: float
    cpu_seconds: float


class Fit(TrainingRun[Point]):
    """Pulls two weights toward random numbers."""

    progress = Point

    def __init__(self, checkpoint=None, config=None, breaks_at=None):
        super().__init__(config or Config(), checkpoint)
        self.network, self.breaks_at, self.extra = nn.Linear(2, 1, bias=False), breaks_at, 0
        nn.init.zeros_(self.network.weight)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=self.config.learning_rate)
        self.parts = {"network": self.network, "optimizer": self.optimizer}
        self.resume()

    def update(self):
        wanted = torch.randn(1, 2, generator=self.generator)
        loss = (self.network.weight - wanted).square().mean()
        if self.updates + 1 == self.breaks_at:
            loss = loss * float("nan")
        gradient_step(loss, self.network, self.optimizer, max_grad_norm=1.0)
        self.extra += 10
        return Point(self.updates + 1, loss.item(), self.cpu_seconds)

    def extra_state(self):
        return {"extra": self.extra}

    def load_extra_state(self, state):
        self.extra = state["extra"]


def losses(run):
    return [point.loss for point in run.history]


def test_it_goes_on_to_the_goal_and_further_when_asked():
    run = Fit()
    assert [point.update for point in run.train(until=2)] == [1, 2]
    assert [point.update for point in run.train()] == [3, 4, 5, 6]
    assert list(run.train()) == [] and [point.update for point in run.train(until=8)] == [7, 8]


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_everything_is_in_the_checkpoint(stop, tmp_path):
    whole, left = Fit(), Fit(tmp_path / "run.pt")
    list(whole.train())
    for point in left.train():
        if point.update == stop:
            break
    again = Fit(tmp_path / "run.pt")
    assert again.updates == stop and again.extra == 10 * stop and again.history == left.history
    assert again.cpu_seconds == left.cpu_seconds
    list(again.train())
    assert losses(again) == losses(whole) and torch.equal(again.network.weight, whole.network.weight)


def test_an_error_in_the_loop_over_the_training_keeps_what_it_reached(tmp_path):
    def look():
        for point in Fit(tmp_path / "run.pt").train():
            if point.update == 3:
                raise KeyError("mine")

    with pytest.raises(KeyError):
        look()
    assert Fit(tmp_path / "run.pt").updates == 3


def test_another_kind_of_training_and_other_settings_are_refused(tmp_path):
    class Other(Fit):
        pass

    list(Fit(tmp_path / "run.pt").train(until=1))
    with pytest.raises(CheckpointError, match="kind Fit there, Other here"):
        Other(tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match=r"learning_rate 0\.1 there, 0\.2 here"):
        Fit(tmp_path / "run.pt", Config(learning_rate=0.2))


def test_a_loss_that_is_not_a_number_names_the_update_and_keeps_weights_and_checkpoint(tmp_path):
    run = Fit(tmp_path / "run.pt", breaks_at=4)
    with pytest.raises(TrainingDiverged, match=r"The loss is nan .*in update 4\. .*after update 2, is in .*run\.pt"):
        list(run.train())
    assert run.network.weight.isfinite().all() and run.updates == 3
    assert Fit(tmp_path / "run.pt").updates == 2


def test_a_step_is_not_taken_where_the_gradient_is_infinite():
    network = nn.Linear(1, 1)
    before = network.weight.clone()
    with pytest.raises(NotFinite, match="its gradient inf long"):
        gradient_step(network(torch.ones(1, 1)).sum() * 1e38 * 0 + network.weight.sum() * 1e20 * 1e20, network,
                      torch.optim.SGD(network.parameters(), lr=1.0), max_grad_norm=1.0)
    assert torch.equal(network.weight, before)


def test_the_gradient_is_scaled_down_to_the_norm_and_told_as_it_was():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    norm = gradient_step(5 * network.weight.sum(), network, torch.optim.SGD(network.parameters(), lr=1.0),
                         max_grad_norm=0.5)
    assert norm.item() == 5 and network.weight.item() == pytest.approx(-0.5)


def test_numbers_that_must_be_finite():
    require_finite("A reward", torch.ones(3), torch.zeros(2))
    with pytest.raises(NotFinite, match="A reward is not a number"):
        require_finite("A reward", torch.ones(3), torch.tensor([1.0, float("inf")]))


def test_the_stopwatch_counts_only_while_it_runs():
    def work():
        sum(i * i for i in range(200_000))

    watch = Stopwatch()
    work()
    assert watch.seconds == 0
    with watch.running():
        work()
        middle = watch.seconds
        assert middle > 0
        with watch.paused():
            before = watch.seconds
            work()
            assert watch.seconds == before
    assert watch.seconds >= middle


def test_a_setting_under_the_name_it_had_before_still_fits():
    older = {"seed": 0, "ppo": {"normalise_advantages": True, "clip": 0.2}}
    assert settings_that_differ(older, {"seed": 0, "ppo": {"normalize_advantages": True, "clip": 0.2}}) == ""
    assert settings_that_differ({"normalise_advantages": True}, {"normalize_advantages": False}) != ""


def test_a_checkpoint_of_an_earlier_version_is_told_as_such(tmp_path):
    save_checkpoint(tmp_path / "old.pt", {"config": {"seed": 0, "warm_up": 0.1}})
    with pytest.raises(CheckpointError, match="earlier version of the course, which did not know kind, warmup_share"):
        load_matching(tmp_path / "old.pt", {"kind": "PPO", "seed": 0, "warmup_share": 0.1})
    save_checkpoint(tmp_path / "other.pt", {"kind": "PPO", "config": {"seed": 0}})
    with pytest.raises(CheckpointError, match="other settings .seed 0 there, 1 here"):
        load_matching(tmp_path / "other.pt", {"kind": "PPO", "seed": 1})
