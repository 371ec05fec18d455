"""Training: it learns, stops and goes on identically, stops at a loss that is no number and says what is kept."""

import math
from dataclasses import replace

import pytest
import torch

from course_lib.lm.data import TokenStream
from course_lib.lm.gpt import GPT, GPTConfig
from course_lib.lm.pretrain import PretrainConfig, Pretraining, next_token_loss
from course_lib.lm.tokenizers import CharTokenizer
from course_lib.training.checkpoint import CheckpointError, load_checkpoint
from course_lib.training.resume import TrainingDiverged

CHARACTERS = CharTokenizer()
STREAM = TokenStream.of(["the cat sat on the mat", "the dog ate the cat", "a bat sat on a mat"] * 10, CHARACTERS)
CONFIG = PretrainConfig(steps=12, batch_size=4, length=16, report_every=3, held_out_rows=3, checkpoint_every=3, seed=2)


def make(path=None, config=CONFIG, **others) -> Pretraining:
    model = GPT(GPTConfig(CHARACTERS.vocab_size, context=16, layers=1, heads=2, width=16), seed=1)
    return Pretraining(model, STREAM, STREAM, config, path, **others)


def run(training: Pretraining, until: int | None = None) -> Pretraining:
    for _ in training.train(until):
        pass
    return training


def curve(training: Pretraining) -> list[str]:
    return [repr(replace(point, cpu_seconds=0.0)) for point in training.history]


def test_it_learns():
    training = run(make(config=replace(CONFIG, steps=150, learning_rate=1e-2)))
    first, last = training.history[0], training.history[-1]
    assert first.held_out_loss > 4 and last.held_out_loss < 2, (first, last)
    assert last.tokens == 150 * 4 * 16 and last.cpu_seconds > 0


def test_the_same_seed_gives_the_same_curve():
    assert curve(run(make())) == curve(run(make()))
    assert curve(run(make())) != curve(run(make(config=replace(CONFIG, seed=3))))


def test_stopped_and_resumed_the_curve_is_identical(tmp_path):
    whole = run(make())
    stopped = make(tmp_path / "run.pt")
    for point in stopped.train():
        if point.steps == 6:
            break
    resumed = run(make(tmp_path / "run.pt"))
    assert curve(resumed) == curve(whole) and len(whole.history) == 4
    for name, weight in whole.model.state_dict().items():
        assert weight.equal(resumed.model.state_dict()[name]), name


def test_after_a_power_cut_it_goes_on_from_the_last_checkpoint(tmp_path):
    cut = make(tmp_path / "run.pt", replace(CONFIG, checkpoint_every=6))
    generator = cut.train()
    for _ in range(3):
        next(generator)                             # nine steps; then nothing more is written
    cut.checkpoint = None
    resumed = make(tmp_path / "run.pt", replace(CONFIG, checkpoint_every=6))
    assert resumed.steps == 6 and curve(run(resumed)) == curve(run(make()))


def test_with_muon_it_learns_and_resumes_identically(tmp_path):
    longer = replace(CONFIG, steps=60, learning_rate=1e-2, checkpoint_every=30)
    with_muon = run(make(config=replace(longer, muon=True)))
    assert with_muon.history[-1].held_out_loss < 2
    run(make(tmp_path / "run.pt", replace(longer, muon=True)), until=30)
    assert curve(run(make(tmp_path / "run.pt", replace(longer, muon=True)))) == curve(with_muon)


def test_with_dropout_it_resumes_identically_and_leaves_other_luck_alone(tmp_path):
    config = replace(CONFIG, dropout=0.3)
    whole = make(config=config)
    luck = torch.get_rng_state()
    run(whole)
    assert torch.get_rng_state().equal(luck) and curve(whole) != curve(run(make()))
    run(make(tmp_path / "run.pt", config), until=6)
    assert curve(run(make(tmp_path / "run.pt", config))) == curve(whole)
    assert whole.model.dropout.p == 0


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    run(make(tmp_path / "run.pt"))
    assert list(make(tmp_path / "run.pt").train()) == []


def test_other_settings_do_not_go_on(tmp_path):
    run(make(tmp_path / "run.pt"), until=3)
    with pytest.raises(CheckpointError, match="seed 2 there, 5 here"):
        make(tmp_path / "run.pt", replace(CONFIG, seed=5))


def test_a_model_of_another_shape_does_not_go_on(tmp_path):
    run(make(tmp_path / "run.pt"), until=3)
    other = GPT(GPTConfig(CHARACTERS.vocab_size, context=16, layers=2, heads=2, width=16))
    with pytest.raises(CheckpointError, match="another shape"):
        Pretraining(other, STREAM, STREAM, CONFIG, tmp_path / "run.pt")


def test_a_loss_that_is_no_number_stops_with_the_step_and_the_last_good_checkpoint(tmp_path):
    calls = []

    def breaks(logits, targets):
        calls.append(1)
        return next_token_loss(logits, targets) * (math.nan if len(calls) == 8 else 1)

    training = make(tmp_path / "run.pt", loss=breaks)
    with pytest.raises(TrainingDiverged, match=r"The loss is nan .*in step 8\. .*after step 6, is in .*run\.pt"):
        run(training)
    kept = load_checkpoint(tmp_path / "run.pt")
    assert kept["steps"] == 6 and all(torch.isfinite(weight).all() for weight in kept["parts"]["model"].values())


def test_an_infinite_gradient_stops_before_it_spoils_the_weights():
    def steep(logits, targets):
        return next_token_loss(logits, targets) * 1e38 * 1e5

    training = make(loss=steep)
    with pytest.raises(TrainingDiverged, match="No checkpoint was kept"):
        run(training)
    assert all(torch.isfinite(weight).all() for weight in training.model.parameters())


def test_a_limit_in_cpu_seconds_ends_the_run():
    training = run(make(config=replace(CONFIG, steps=10**6, cpu_seconds=0.2)))
    assert training.steps < 10**5 and training.done == 1


def test_the_learning_rate_rises_and_comes_down():
    training = run(make(config=replace(CONFIG, steps=20, report_every=1, warmup_share=0.1, final_learning_rate=0.05)))
    rates = [point.learning_rate / CONFIG.learning_rate for point in training.history]
    assert [rates[step] for step in (0, 1, 2, 11)] == pytest.approx([0.01, 0.5, 1.0, 0.525])
    assert rates[-1] == pytest.approx(0.05, abs=0.01) and rates[2:] == sorted(rates[2:], reverse=True)


def test_the_loss_is_the_mean_cross_entropy():
    logits, targets = torch.randn(2, 3, 5), torch.randint(5, (2, 3))
    each = -logits.log_softmax(-1).gather(-1, targets[..., None])
    torch.testing.assert_close(next_token_loss(logits, targets), each.mean())
