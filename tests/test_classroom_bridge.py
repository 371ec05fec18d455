"""Two ends of the channel in two threads of one process: objects, gradients, networks and random numbers across it."""

import queue
import random
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.classroom import gradients, wire
from course_lib.classroom.bridge import End, Gone
from course_lib.classroom.graders_door import CannotHandOver, GradersDoor
from course_lib.classroom.students_door import StudentsDoor
from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.networks import ActorCritic
from course_lib.rl.ppo import PPOConfig


class Queue:
    """A channel between two threads."""

    def __init__(self, reads, writes):
        self.reads, self.writes = reads, writes

    def send(self, frame):
        self.writes.put(frame)

    def receive(self):
        frame = self.reads.get(timeout=60)
        if frame is None:
            raise Gone("closed")
        return memoryview(frame)[8:]

    def lose(self, how):
        self.lost = how


@pytest.fixture
def answer():
    """`answer(fn)` gives a student's function as the grader sees it."""
    there, back = queue.Queue(), queue.Queue()
    mine, theirs = End(Queue(back, there), GradersDoor(), leads=True), End(Queue(there, back),
                                                                           StudentsDoor(lambda e: ""), leads=False)
    held = {}

    def serve():
        try:
            theirs.serve({"answer": lambda: held["fn"]})
        except Gone as error:
            held["lost"] = error
            back.put(None)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def given(fn):
        held["fn"] = fn
        return mine.ask("answer")

    given.end = mine
    yield given
    there.put(None)
    thread.join(10)
    assert str(held["lost"]) == "closed"


def test_values_and_changed_arguments(answer):
    def f(x, numbers, table, *, more):
        x.mul_(2)
        numbers.append(more)
        table["a"][0] = 7.0
        return x.sum(), (numbers, None)

    x, numbers, table = torch.ones(3), [1], {"a": np.zeros(2), "b": 1}
    total, rest = answer(f)(x, numbers, table, more="m")
    assert total == 6 and rest == ([1, "m"], None)
    assert x.tolist() == [2, 2, 2] and numbers == [1, "m"] and table["a"].tolist() == [7.0, 0.0] and table["b"] == 1


def test_gradients_flow_to_arguments_and_through_both_ends(answer):
    a, b = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    got = answer(lambda x, y, k: {"loss": (x * y).sum() * k, "rest": x.detach()})(2 * a, b, 3)
    assert got["loss"].requires_grad and not got["rest"].requires_grad
    got["loss"].backward()
    assert a.grad.tolist() == [18.0, 24.0] and b.grad.tolist() == [6.0, 12.0]
    with torch.no_grad():
        assert not answer(lambda x: 2 * x)(a).requires_grad
    assert answer(lambda: torch.zeros(1, requires_grad=True) + 1)().requires_grad


def test_a_broken_graph_is_told_as_torch_tells_it(answer):
    def f(x):
        y = x.exp()
        z = y * 2
        y.add_(1)
        return z + y.detach() * 0 + y

    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        answer(f)(x).sum().backward()


def test_a_network_of_the_grader_is_trained_there(answer):
    class Spy(ActorCritic):
        def __init__(self):
            super().__init__(4, 2, hidden=(8,), seed=0)
            self.seen = []

        def forward(self, obs):
            self.seen.append(len(obs))
            return super().forward(obs)

    class Trainer:
        def __init__(self, network):
            self.network = network
            self.optimizer = torch.optim.SGD(network.parameters(), lr=0.5)

        def step(self, obs):
            distribution, values = self.network(obs)
            loss = values.square().mean() + distribution.entropy().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            return loss

    network, twin, obs = Spy(), ActorCritic(4, 2, hidden=(8,), seed=0), torch.randn(5, 4)
    trainer = answer(Trainer)(network)
    with pytest.raises(AttributeError):
        _ = trainer.nothing
    trainer.step(obs)
    distribution, values = twin(obs)
    (values.square().mean() + distribution.entropy().mean()).backward()
    for parameter, before in zip(network.parameters(), twin.parameters(), strict=True):
        answer.end.ask("answer")                                # any message brings the changes along
        assert torch.allclose(parameter, before - 0.5 * before.grad)
    assert network.seen == [5] and trainer.network is network
    assert trainer.optimizer.param_groups[0]["params"][0] is next(network.parameters())


def test_a_network_of_the_student_can_be_used_and_changed_from_here(answer):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.blocks = nn.Linear(3, 2), nn.ModuleList([nn.Linear(2, 2), nn.Tanh()])
            self.register_buffer("scale", torch.ones(2))

        def forward(self, x):
            x = self.first(x) * self.scale
            for block in self.blocks:
                x = block(x)
            return x

        def halved(self, x):
            return self(x) / 2

    net = answer(Net)()
    assert isinstance(net, nn.Module) and [name for name, _ in net.named_parameters()][:2] == ["first.weight",
                                                                                               "first.bias"]
    x = torch.randn(4, 3)
    before = net(x)
    with torch.no_grad():
        net.first.weight.zero_()
        net.first.bias.zero_()
        net.scale.fill_(3)
    assert not torch.equal(net(x), before) and torch.allclose(net.halved(x), net(x) / 2)
    assert torch.allclose(net(x), net.blocks[1](net.blocks[0](torch.zeros(4, 2))))
    net(x).sum().backward()
    assert net.blocks[0].bias.grad is not None and net.blocks[0].bias.grad.abs().sum() > 0


def test_environments_functions_and_settings_are_handed_out(answer):
    def f(envs, config, ask, settings):
        obs, _ = envs.reset(seed=config.seed)
        after = envs.step(np.zeros(envs.num_envs, dtype=np.int64))[0]
        return obs.shape, after.shape, ask(obs) + settings.more, type(config).__name__

    got = answer(f)(VectorCartPole(3), PPOConfig(seed=5), lambda obs: len(obs), SimpleNamespace(more=1))
    assert got == ((3, 4), (3, 4), 4, "PPOConfig")


@pytest.mark.parametrize("name", ["__class__", "__init__", "unwrapped", "env", "state_dict", "_np_random", "render"])
def test_nothing_else_of_an_environment_is_open(answer, name):
    with pytest.raises(AttributeError):
        answer(lambda envs: envs._end.ask("get", envs, name))(VectorCartPole(2))


def test_networks_show_no_more_than_an_answer_needs(answer):
    network = ActorCritic(4, 2, seed=0)
    network.secret = [1, 2, 3]
    for what in (lambda n: n.secret, lambda n: n._end.ask("set", n, "secret", 1),
                 lambda n: n._end.ask("get", n, "__dict__"),
                 lambda n: n._end.call(n, "load_state_dict", ({},), {}), lambda n: n._end.ask("iter", n)):
        with pytest.raises(AttributeError):
            answer(what)(network)


def test_what_has_no_adapter_is_not_handed_over(answer):
    with pytest.raises(CannotHandOver, match="has no adapter|no adapter"):
        answer(lambda x: x)(threading.Lock())


def test_errors_cross_with_their_names_and_one_of_the_graders_comes_back_itself(answer):
    class Mine(ValueError):
        pass

    def raises():
        raise Mine("so")

    with pytest.raises(ValueError, match="so") as caught:
        answer(raises)()
    assert type(caught.value).__name__ == "Mine"
    own = LookupError("the grader's")

    def asked():
        raise own

    with pytest.raises(LookupError) as caught:
        answer(lambda ask: ask())(asked)
    assert caught.value is own
    with pytest.raises(SystemExit):
        answer(lambda: exec("raise SystemExit"))()
    with pytest.raises(Exception, match="stop") as caught:
        answer(lambda: exec("raise KeyboardInterrupt('stop')"))()
    assert not isinstance(caught.value, KeyboardInterrupt)


def test_disguised_values_become_plain_and_objects_stay_where_they_are(answer):
    class Liar(float):
        def __float__(self):
            return 1.0

        def __eq__(self, other):
            return True

        __hash__ = None

    class Pickled:
        def __reduce__(self):
            raise AssertionError("pickled")

    class Pretends(torch.Tensor):
        pass

    got = answer(lambda: [Liar(2.0), Pretends([3.0]), {"a": Pickled()}])()
    assert type(got[0]) is float and got[0] == 2.0 and type(got[1]) is torch.Tensor
    assert got[2]["a"] != 1 and type(got[2]["a"]).__name__ == "Pickled" and not callable(got[2]["a"])


def test_generators_and_objects_are_gone_through_from_here(answer):
    class Pile:
        def __init__(self):
            self.items = [1, 2, 3]

        def __len__(self):
            return 3

        def __getitem__(self, i):
            return self.items[i]

    def steps():
        yield 1
        yield torch.ones(2)

    assert [type(one) for one in answer(steps)()] == [int, torch.Tensor]
    pile = answer(Pile)()
    assert len(pile) == 3 and pile[1] == 2 and pile.items == [1, 2, 3]
    pile.items = [4]
    assert pile.items == [4]


def test_random_numbers_are_the_same_as_in_one_process(answer):
    draw = answer(lambda: (torch.rand(2).tolist(), np.random.random(), random.random()))
    for seeds in (1, 2, 1):
        torch.manual_seed(seeds), np.random.seed(seeds), random.seed(seeds)
        right = (torch.rand(2).tolist(), np.random.random(), random.random())
        torch.manual_seed(seeds), np.random.seed(seeds), random.seed(seeds)
        assert draw() == right
    generator = torch.Generator().manual_seed(3)
    first = answer(lambda g: torch.rand(3, generator=g))(generator)
    assert torch.equal(first, torch.rand(3, generator=torch.Generator().manual_seed(3)))
    assert not torch.equal(torch.rand(3, generator=generator), first)           # it has been drawn from


def test_handles_and_graphs_are_dropped_when_nobody_needs_them(answer):
    f = answer(lambda x: (2 * x, object()))
    x = torch.ones(2, requires_grad=True)
    for _ in range(50):
        f(x)
    f(x)
    assert len(answer.end._others) <= 2 and len(answer.end.freed) < 10


@pytest.mark.parametrize("head", [
    {}, {"body": 3}, {"body": {"n": 1, "value": ["yours", 99]}}, {"body": {"n": 1, "value": ["parameter", 5]}},
    {"body": {"n": 1, "value": ["module", 5]}}, {"body": {"n": 99, "value": 1}},
    {"body": {"do": "os.system", "n": 1, "about": ["tuple", []]}},
    {"body": {"do": "get", "n": 1, "about": ["tuple", [["yours", 4], "x"]]}}, {"body": {"n": 1, "value": ["slope", 3]}},
    {"body": {"n": 1, "value": 1}, "sync": [[7, ["values", True, 3]]]},
    {"body": {"n": 1, "value": 1}, "slopes": [["list", []]]}, {"body": {"n": 1, "value": ["copy", "os", "system", 1]}},
    {"body": {"n": 1, "value": 1}, "random": [[9, None]]},
    {"body": {"do": "step", "n": 2, "about": ["tuple", [1, ["list", []]]]}},
    {"body": {"n": 1, "value": ["module", 3, "Linear", True, True, ["dict", [["forward", 1]]], [], [], []]}},
])
def test_messages_that_nobody_would_send_end_the_conversation(head):
    frame = wire.pack({"random": [], "freed": [], "sync": [], "slopes": [], **head}, [])
    there, back = queue.Queue(), queue.Queue()
    back.put(frame)
    end = End(Queue(back, there), GradersDoor(), leads=True)
    with pytest.raises(Gone):
        end.ask("answer")


def test_steps_of_optimizers_are_told_only_to_those_who_watch():
    assert not gradients.somebody_watches()


def test_gradients_and_optimizers_of_the_student_can_be_looked_at(answer):
    class Trainer:
        def __init__(self):
            self.model = nn.Linear(2, 1)
            self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)

        def step(self):
            self.model(torch.ones(1, 2)).sum().backward()
            self.optimizer.step()

    made = answer(Trainer)()
    seen = []
    made.optimizer.register_step_pre_hook(
        lambda optimizer, *_: seen.append([made.model.weight.grad.clone(), optimizer.param_groups[0]["lr"]]))
    before = made.model.weight.detach().clone()
    made.step()
    assert isinstance(made.optimizer, torch.optim.AdamW) and not isinstance(made.optimizer, torch.optim.SGD)
    assert not isinstance(made, torch.optim.Optimizer)
    [[grad, rate]] = seen
    assert grad.tolist() == [[1.0, 1.0]] and rate == 0.1 and not torch.equal(made.model.weight, before)
    made.optimizer.zero_grad()
    assert made.model.weight.grad is None
    (3 * made.model.weight).sum().backward()
    assert answer(lambda model: model.weight.grad.tolist())(made.model) == [[3.0, 3.0]]
