"""When a variant has been measured enough: the interval is narrow, or more pairs would not make it so."""

from __future__ import annotations

import math
from enum import StrEnum

from numpy.typing import ArrayLike

from .stats import PAIRS_PER_BLOCK, finite, within

FLOOR_BLOCKS = 12  # looking earlier costs up to 10 points of coverage; from 12 blocks on, 1 point at most
BLOCKS_PER_LOOK = 2
CAP_PAIRS = 160  # beyond, time is better spent on another process
STABLE_LOOKS, STABLE_WITHIN = 3, 0.1  # a noise estimate is stable when so many looks agree to 10 %


class Stop(StrEnum):
    """Why measuring stops, if it does. Running out of budget is decided by the caller."""

    CONTINUE = "continue"
    TARGET = "target"  # the interval inside this process is as narrow as asked
    SETTLED = "settled"  # the noise is known, and the cap would not bring the target
    CAP = "cap"


def stop(x: ArrayLike, target: float = 0.02, cap: int = CAP_PAIRS) -> Stop:
    """Whether the good pairs so far, logarithms x [n] in time order, are enough for a relative half-width of `target`.

    The answer is that of the last scheduled look, so asking more often does not raise the chance of a lucky stop.
    """
    if not 0 < target < math.inf:
        raise ValueError(f"target is {target}; expected a relative half-width above 0, for example 0.02")
    x = finite(x)
    last = x.size // PAIRS_PER_BLOCK
    last -= (last - FLOOR_BLOCKS) % BLOCKS_PER_LOOK
    if last >= FLOOR_BLOCKS:
        widths = {}
        for blocks in range(last, FLOOR_BLOCKS - 1, -BLOCKS_PER_LOOK)[:STABLE_LOOKS]:
            widths[blocks] = within(x[: blocks * PAIRS_PER_BLOCK]).half_width()
        if widths[last] <= math.log1p(target):
            return Stop.TARGET
        noise = [width * math.sqrt(blocks * PAIRS_PER_BLOCK) for blocks, width in widths.items()]  # of one pair
        stable = len(noise) == STABLE_LOOKS and max(noise) <= (1 + STABLE_WITHIN) * min(noise)
        if stable and noise[0] / math.sqrt(cap) > math.log1p(target):
            return Stop.SETTLED
    return Stop.CAP if x.size >= cap else Stop.CONTINUE
