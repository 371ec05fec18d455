"""Sure verdicts count more: the Bradley–Terry loss with a weight for each verdict, and where weights come from.

Source: N. Stiennon et al. (2020), appendix C: labellers of summaries answered on nine points, from "surely the left" to
"surely the right". The label store turns such an answer into a weight from 0.25 to 1. Taught in lesson 09, section 9.7.
"""

from torch import Tensor

from course_lib.preferences.bradley_terry import bradley_terry_loss


def confidence_loss(r1: Tensor, r2: Tensor, mu: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean surprise at the verdicts, a scalar: sum of weight x surprise over the sum of the weights.

    All arguments: (pairs,). Only the ratios of the weights matter. Raises as `bradley_terry_loss` does.
    """
    return bradley_terry_loss(r1, r2, mu, weight=weight)
