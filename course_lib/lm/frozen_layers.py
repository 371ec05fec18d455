"""Layers that never change are read once: the lower part of a model whose adapter sits on the upper one. Lesson 12.

    frozen = FrozenLayers(model.model, 20)                  # of 30 layers
    states = frozen.states([[5, 8, 2], [5, 9]])             # (2, 3, C) after layer 20; read now
    states = frozen.states([[5, 9], [5, 8, 2]])             # not read again
    hidden = frozen.above(states)                           # (2, 3, C) after layer 30; gradients end at layer 21

An adapter on the last ten layers changes nothing below them. DPO meets the same answers in update after update, and
policy, reference and the way back all begin with the same states, so two thirds of the reading are done once. Rows are
filled up behind their end: attention looks back only, so no mask is needed.

The idea is that of frozen features (lesson 10) in the middle of a model. Equal to transformers' own forward pass
(tests/test_lm_frozen_layers.py).
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

if TYPE_CHECKING:
    from transformers import LlamaModel


class FrozenLayers:
    """The first `count` layers of a Llama, which nobody trains, and what they made of the texts read last.

    most: texts whose states are kept; 80 tokens of the 135M model are 180 kB. Raises ValueError unless
    0 <= count <= the model's layers.
    """

    def __init__(self, model: "LlamaModel", count: int, most: int = 512):
        if not 0 <= count <= len(model.layers):
            raise ValueError(f"the model has {len(model.layers)} layers, so 0 to {len(model.layers)} of them can be "
                             f"frozen, not {count}")
        self.model, self.count, self.most = model, count, most
        self.kept: OrderedDict[tuple[int, ...], Tensor] = OrderedDict()     # tokens -> (T, C)

    @torch.no_grad()
    def states(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """(B, T, C) after the frozen layers; behind the end of a shorter row there are zeros. rows: B token lists."""
        keys = [tuple(row) for row in rows]
        new = list(dict.fromkeys(key for key in keys if key not in self.kept))
        if new:
            tokens = pad_sequence([torch.tensor(key) for key in new], batch_first=True)             # (new, T)
            read = self._through(self.model.embed_tokens(tokens), 0, self.count)                    # (new, T, C)
            for key, states in zip(new, read, strict=True):
                self.kept[key] = states[:len(key)].clone()
        found = []
        for key in keys:
            self.kept.move_to_end(key)
            found.append(self.kept[key])
        while len(self.kept) > self.most:
            self.kept.popitem(last=False)
        return pad_sequence(found, batch_first=True)                                                # (B, T, C)

    def above(self, states: Tensor) -> Tensor:
        """(B, T, C) after the last layer and its norm, of `states` (B, T, C); with gradients, where they are wanted."""
        return self.model.norm(self._through(states, self.count, len(self.model.layers)))

    def _through(self, hidden: Tensor, start: int, end: int) -> Tensor:
        place = torch.arange(hidden.shape[1])[None]                                                 # (1, T)
        angles = self.model.rotary_emb(hidden, position_ids=place)
        for layer in self.model.layers[start:end]:
            hidden = layer(hidden, attention_mask=None, position_ids=place, position_embeddings=angles)
        return hidden
