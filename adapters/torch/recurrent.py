"""Recurrent ops in torch: the cells op by op, sequences as `torch.nn.LSTM` and `torch.nn.GRU` run them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def lstm_cell(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    i, f, g, o = (F.linear(x, w, b) + F.linear(h, u)).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def lstm(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
    # torch has a bias for either product; the catalogue has one for their sum.
    weights = [w, u, b, torch.zeros_like(b)]
    return torch._VF.lstm(x, (h[None], c[None]), weights, True, 1, 0.0, True, False, True)[0]


def gru_cell(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor, d: Tensor) -> Tensor:
    (r, z, n), (hr, hz, hn) = F.linear(x, w, b).chunk(3, 1), F.linear(h, u, d).chunk(3, 1)
    n = torch.tanh(n + torch.sigmoid(r + hr) * hn)
    return n + torch.sigmoid(z + hz) * (h - n)


def gru(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor, d: Tensor) -> Tensor:
    return torch._VF.gru(x, h[None], [w, u, b, d], True, 1, 0.0, True, False, True)[0]
