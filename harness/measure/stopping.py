"""Decides when a variant has been measured enough: its interval is narrow, or more pairs would not narrow it."""

from __future__ import annotations

import math
from enum import StrEnum

from numpy.typing import ArrayLike

from .stats import PAIRS_PER_STRETCH, finite, within

FLOOR_STRETCHES = 12  # an earlier look costs up to 10 points of coverage; from 12 stretches on, 1 point at most
STRETCHES_PER_LOOK = 2
CAP_PAIRS = 160  # beyond this, time is better spent on another process
STABLE_LOOKS, STABLE_WITHIN = 3, 0.1  # a noise estimate is stable when this many looks agree to 10 %


class Stop(StrEnum):
    """The decision to stop measuring a variant, or to continue. The caller also stops when the budget is spent."""

    CONTINUE = "continue"
    TARGET = "target"  # the interval inside this process is as narrow as requested
    SETTLED = "settled"  # the noise is known, and even the cap would not reach the target
    CAP = "cap"  # there are as many pairs as are worth measuring in one process


def stop(x: ArrayLike, target: float = 0.02, cap: int = CAP_PAIRS) -> Stop:
    """Decide if the pairs so far are enough for a relative half-width of `target`.

    The decision is that of the last scheduled look, so calling this more often does not raise the chance of a lucky
    stop.

    Args:
        x: logarithms of the ratios of all pairs so far [n], in time order.
        target: the relative half-width wanted for the interval inside this process.
        cap: the number of pairs after which to stop in any case.

    Raises:
        ValueError: `target` is not a positive finite number, or a pair is not finite.
    """
    if not 0 < target < math.inf:
        raise ValueError(f"target is {target}; expected a relative half-width above 0, for example 0.02")
    x = finite(x)
    last_look = x.size // PAIRS_PER_STRETCH  # in stretches
    last_look -= (last_look - FLOOR_STRETCHES) % STRETCHES_PER_LOOK
    if last_look >= FLOOR_STRETCHES:
        widths = {}
        for stretches in range(last_look, FLOOR_STRETCHES - 1, -STRETCHES_PER_LOOK)[:STABLE_LOOKS]:
            widths[stretches] = within(x[: stretches * PAIRS_PER_STRETCH]).half_width()
        if widths[last_look] <= math.log1p(target):
            return Stop.TARGET
        noise = [width * math.sqrt(stretches * PAIRS_PER_STRETCH) for stretches, width in widths.items()]  # of one pair
        stable = len(noise) == STABLE_LOOKS and max(noise) <= (1 + STABLE_WITHIN) * min(noise)
        if stable and noise[0] / math.sqrt(cap) > math.log1p(target):
            return Stop.SETTLED
    return Stop.CAP if x.size >= cap else Stop.CONTINUE
