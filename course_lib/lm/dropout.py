"""Dropout that costs little on a CPU. Lesson 07 uses it for the shipped BPE model.

N. Srivastava et al. (2014), "Dropout: A simple way to prevent neural networks from overfitting". torch's own draws a
random number for each entry, which took a seventh of a training step of the course's small models; here one 64-bit
number decides over eight entries, a byte each.
"""

import torch
from torch import Tensor, nn


class ByteDropout(nn.Module):
    """While training each entry is 0 with probability `p`, rounded to 1/256, and the others grow so that means stay.

    x: any shape -> the same shape. Raises ValueError for a share outside 0 to 1 (1 itself excluded).
    """

    def __init__(self, p: float = 0.0):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not 0 <= self.p < 1:
            raise ValueError(f"dropout leaves out a share of at least 0 and less than 1, not {self.p}")
        out_of_256 = min(round(self.p * 256), 255)
        if not self.training or out_of_256 == 0:
            return x
        draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-2**63, None)
        keep = draws.view(torch.uint8)[:x.numel()].view(x.shape) >= out_of_256
        return x * (keep.to(x.dtype) * (256 / (256 - out_of_256)))

    def extra_repr(self) -> str:
        return f"p={self.p}"
