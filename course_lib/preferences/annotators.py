"""Bradley–Terry with annotator effects: one set of scores for a whole class, and how far each annotator can be trusted.

Every annotator k has two numbers between 0 and 1, how often they report faithfully when the left side is better, l_k,
and when the right side is, r_k. With s the scores and sigma the logistic function,

    P(k says left) = l_k sigma(s_left - s_right) + (1 - r_k) sigma(s_right - s_left).

    reliability     (l_k + r_k) / 2     1 careful, 0.5 at random, 0 upside down
    position bias    l_k - r_k          1 always left, 0 none, -1 always right

The scores are either one strength an item, or a reward: a weighted sum of what is known of an item (`features`), so
that items which nobody labelled get a score, too. Scores and annotators are fitted together, by L-BFGS in 64 bits.

Sources: X. Chen et al. (2013), "Pairwise ranking aggregation in a crowdsourced setting", equation 4 (Crowd-BT): the
same with l_k = r_k (`position_bias=False`; lesson 03 teaches it, crowd.py). A. P. Dawid and A. M. Skene (1979) for an
error rate of its own for each true answer. Departures: a ridge on the scores and a prior on l and r, in logits, around
0.88 (we expect people to try) instead of virtual items; without it "all are right" and "all are upside down, and the
order is the other way round" fit equally well. Used in classroom/class_labels.ipynb.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

EXPECTED = 2.0                      # logit of l and r before anything is seen: sigmoid(2) = 0.88
STEPS = 500                         # of L-BFGS, at most; a class of 24 needs about 50


@dataclass(frozen=True)
class AnnotatorFit:
    """What the labels of many say about the items and about those who gave them. All tensors are float64."""

    weights: Tensor                 # (D,) of the features, or (items,) strengths
    left: Tensor                    # (annotators,) l: how often they say left where left is clearly better
    right: Tensor                   # (annotators,) r: how often they say right where right is clearly better
    reliability_error: Tensor       # (annotators,) standard errors, for given scores
    bias_error: Tensor
    nll: float                      # nats a label, without the priors

    @property
    def reliability(self) -> Tensor:
        """(annotators,) 1 careful, 0.5 at random, 0 upside down."""
        return (self.left + self.right) / 2

    @property
    def position_bias(self) -> Tensor:
        """(annotators,) 1 always left, 0 none, -1 always right."""
        return self.left - self.right

    def scores(self, features: Tensor | None = None) -> Tensor:
        """(items,) scores of items, mean zero; `features` as in the fit, of any items."""
        scores = self.weights if features is None else features.double() @ self.weights
        return scores - scores.mean()


def fit_annotators(left: Tensor, right: Tensor, said_left: Tensor, annotator: Tensor, *, items: int, annotators: int,
                   features: Tensor | None = None, position_bias: bool = True, equal_trust: bool = False,
                   pull: float = 0.5) -> AnnotatorFit:
    """Scores and annotators, fitted together to the labels of all.

    left, right: (labels,) index of the items as they stood on the screen. said_left: (labels,) 1 left, 0 right, 0.5
    equal; leave skips out. annotator: (labels,) who said it. features: (items, D), what is known of each item.
    position_bias: False holds l = r, which is Crowd-BT. equal_trust: True takes everybody for faithful (l = r = 1),
    which is plain Bradley–Terry. pull: weight of the priors; the features' scale does not matter to it.

    Raises ValueError when shapes differ, there is no label, an index is out of range or a label leaves [0, 1].
    """
    _check(left, right, said_left, annotator, items, annotators)
    known, unit = _in_one_unit(features, items)
    weights = torch.zeros(items if known is None else known.shape[1], dtype=torch.float64, requires_grad=True)
    trust = torch.full((annotators, 2 if position_bias else 1), EXPECTED, dtype=torch.float64, requires_grad=True)
    learned = [weights] if equal_trust else [weights, trust]
    said = said_left.double()

    def gap() -> Tensor:
        scores = weights if known is None else known @ weights                            # (items,)
        return scores[left] - scores[right]                                               # (labels,)

    def nll() -> Tensor:
        better, worse = F.logsigmoid(gap()), F.logsigmoid(-gap())                         # (labels,) log sigma(+-gap)
        if equal_trust:
            return -(said * better + (1 - said) * worse).sum()
        own = trust.expand(-1, 2)[annotator]                                              # (labels, 2) logits of l, r
        faithful, wrong = F.logsigmoid(own), F.logsigmoid(-own)
        log_left = torch.logaddexp(faithful[:, 0] + better, wrong[:, 1] + worse)
        log_right = torch.logaddexp(wrong[:, 0] + better, faithful[:, 1] + worse)
        return -(said * log_left + (1 - said) * log_right).sum()

    optimizer = torch.optim.LBFGS(learned, max_iter=STEPS, tolerance_grad=1e-8, tolerance_change=1e-12,
                                  line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nll() + pull * (weights.square().sum() + (trust - EXPECTED).square().sum())
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        rates = torch.ones(annotators, 2, dtype=torch.float64) if equal_trust else trust.expand(-1, 2).sigmoid()
        errors = _errors(gap().sigmoid(), rates, annotator, pull, tied=not position_bias)
        return AnnotatorFit(weights.detach() / unit, rates[:, 0].clone(), rates[:, 1].clone(), *errors,
                            nll().item() / len(said))


def consensus(fit: AnnotatorFit, said_left: Tensor, annotator: Tensor) -> float:
    """What these labels of *one* pair say together, in nats: above 0 for the left side, below 0 for the right.

    said_left, annotator: (labels,) with left and right the same items in all of them. It is the log-odds of "left is
    clearly better" against "right is": a label of somebody who answers at random adds next to nothing, one of somebody
    who answers upside down counts for the other side, and a tie adds half of each.
    """
    tiny = 1e-6                                                                            # nobody is a perfect witness
    left, right = (rates[annotator].clamp(tiny, 1 - tiny) for rates in (fit.left, fit.right))
    said = said_left.double()
    return (said * (left / (1 - right)).log() + (1 - said) * ((1 - left) / right).log()).sum().item()


def _errors(p: Tensor, rates: Tensor, annotator: Tensor, pull: float, tied: bool) -> tuple[Tensor, Tensor]:
    """Standard errors of reliability and of position bias, (annotators,) each, from the curvature in the logits.

    p: (labels,) sigma(s_left - s_right). tied: l and r are one number. The scores are taken as known: they rest on the
    labels of all.
    """
    slope = rates * (1 - rates)                                                       # (annotators, 2) d rate/d logit
    left, right = rates[annotator].T                                                  # (labels,) each
    chance = (left * p + (1 - right) * (1 - p)).clamp(1e-9, 1 - 1e-9)
    moves = torch.stack([p, -(1 - p)], dim=1) * slope[annotator]                          # (labels, 2) d chance/d logit
    moves = moves.sum(dim=1, keepdim=True) if tied else moves
    size = moves.shape[1]
    each = moves[:, :, None] * moves[:, None, :] / (chance * (1 - chance))[:, None, None]
    information = torch.zeros(len(rates), size, size, dtype=torch.float64).index_add_(0, annotator, each)
    information += max(2 * pull, 1e-9) * torch.eye(size, dtype=torch.float64)      # the prior knows something, too
    covariance = torch.linalg.inv(information).expand(-1, 2, 2)                           # of the logits of l and r
    found = []
    for direction in ((0.5, 0.5), (1.0, -1.0)):
        along = slope * torch.tensor(direction, dtype=torch.float64)                      # (annotators, 2)
        found.append(torch.einsum("ki,kij,kj->k", along, covariance, along).sqrt())
    return found[0], found[1]


def _in_one_unit(features: Tensor | None, items: int) -> tuple[Tensor | None, float]:
    """Features centred and scaled so that the prior expects scores with a standard deviation of about 1; the unit."""
    if features is None:
        return None, 1.0
    if len(features) != items or features.ndim != 2 or not torch.isfinite(features).all():
        raise ValueError(f"features needs finite numbers of shape ({items}, D), got {tuple(features.shape)}")
    centred = features.double() - features.double().mean(dim=0)
    unit = max(centred.square().sum(dim=1).mean().sqrt().item(), 1e-12)
    return centred / unit, unit


def _check(left: Tensor, right: Tensor, said_left: Tensor, annotator: Tensor, items: int, annotators: int) -> None:
    if not left.shape == right.shape == said_left.shape == annotator.shape or left.ndim != 1 or len(left) == 0:
        shapes = ", ".join(str(tuple(part.shape)) for part in (left, right, said_left, annotator))
        raise ValueError(f"left, right, said_left and annotator need one shape, (labels,), with at least one; "
                         f"got {shapes}")
    if not ((said_left >= 0) & (said_left <= 1)).all():
        raise ValueError("said_left is 1 for left, 0 for right, 0.5 for equal; leave skips out")
    sides = torch.stack([left, right])
    if min(sides.min(), annotator.min()) < 0 or sides.max() >= items or annotator.max() >= annotators:
        raise ValueError(f"indices must lie in 0..{items - 1} for items and 0..{annotators - 1} for annotators")
