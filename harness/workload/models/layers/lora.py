"""Low-rank adaptation (LoRA, Hu et al. 2021): beside a frozen layer, two small matrices are trained in its place."""

from __future__ import annotations

from functools import partial

from ... import draw
from ...trace import Ops, Param, Value


def frozen_unless(rank: int | None, param: Param) -> Param:
    """`param` as it is without a rank; with one, everything that asks for nothing else is frozen."""
    return param if rank is None else partial(param, frozen=True)


def adapted(ops: Ops, param: Param, name: str, x: Value, y: Value, rank: int | None) -> Value:
    """y + (x A) B for a linear layer y of x, with A [in, rank] and B [rank, out]; y itself without a rank.

    Two linear layers and a sum, as in the library `peft`. Its factor `lora_alpha / r` is one, as by its defaults, and
    there is no dropout, which is none there too. Training starts from B = 0; here it is drawn as after some steps.
    """
    if rank is None:
        return y
    down = param(f"{name}.lora_a", draw.lecun(x.shape[-1], rank), frozen=False)
    up = param(f"{name}.lora_b", draw.normal(rank, y.shape[-1], std=0.02), frozen=False)
    return ops.add(y, ops.linear(ops.linear(x, down), up))
