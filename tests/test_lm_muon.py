"""Muon: the same steps as torch's, which computes in 16 bits; what it does to singular values; bad parameters."""

import copy

import pytest
import torch

from course_lib.lm.muon import Muon, orthogonalized


@pytest.mark.parametrize("shape", [(24, 8), (8, 24), (16, 16)])
def test_orthogonalized_keeps_directions_and_evens_out_sizes(shape):
    generator = torch.Generator().manual_seed(0)
    u, s, vt = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    sizes = torch.logspace(0, -2, len(s))
    got = orthogonalized((u * sizes) @ vt)
    inner = u.T @ got @ vt.T                            # diagonal when the singular vectors stay
    assert torch.allclose(inner, torch.diag(inner.diagonal()), atol=1e-4)
    assert ((inner.diagonal() > 0.68) & (inner.diagonal() < 1.21)).all()
    assert torch.equal(orthogonalized(torch.zeros(shape)), torch.zeros(shape))


@pytest.mark.parametrize("bfloat16", [False, True])
def test_steps_are_those_of_torch(bfloat16, monkeypatch):
    if not bfloat16:                                    # theirs always computes in 16 bits: here it keeps its 32
        monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor)
    starts = [torch.randn(12, 8, generator=torch.Generator().manual_seed(number)) for number in range(2)]
    weights = [[start.clone().requires_grad_() for start in starts] for _ in range(2)]
    ours = Muon(weights[0], lr=0.02, weight_decay=0.3, bfloat16=bfloat16)
    theirs = torch.optim.Muon(weights[1], lr=0.02, weight_decay=0.3, adjust_lr_fn="match_rms_adamw")
    for step in range(5):
        for optimizer, pair in ((ours, weights[0]), (theirs, weights[1])):
            optimizer.zero_grad()
            target = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
            sum(((weight @ target).tanh() ** 2).sum() for weight in pair).backward()
            optimizer.step()
    for mine, other, start in zip(*weights, starts, strict=True):
        moved = (other - start).abs().mean()
        assert moved > 0.01 and (mine - other).abs().mean() < (0.1 if bfloat16 else 1e-5) * moved


def test_it_resumes_from_its_state_and_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        Muon([torch.zeros(3, requires_grad=True)], lr=0.1)

    def go(weight, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            (weight ** 3).sum().backward()
            optimizer.step()

    weight = torch.rand(3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    idle = torch.eye(2).requires_grad_()                # it never has a gradient
    optimizer = Muon([weight, idle], lr=0.1, bfloat16=False)
    go(weight, optimizer, 2)
    kept, state = weight.detach().clone(), copy.deepcopy(optimizer.state_dict())
    go(weight, optimizer, 2)
    again = kept.requires_grad_()
    other = Muon([again, idle], lr=0.1, bfloat16=False)
    other.load_state_dict(state)
    go(again, other, 2)
    assert torch.equal(again, weight) and torch.equal(idle, torch.eye(2))
