"""Detects other users of the CPUs while a variant was measured, and drift of its times."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .stats import Estimate, finite, log_times, within

# A span is disturbed if other processes (or the host) used the CPUs, or if the program got less CPU time than at its
# best. Involuntary switches are recorded but not judged: a framework whose own threads outnumber the CPUs has hundreds
# a second on a quiet machine.
OTHERS_LIMIT = 0.10  # CPU time of others / (wall time x CPUs)
CPU_SHARE_LIMIT = 0.85  # CPU time of the program / the same at its best
GOOD_SHARE = 0.5  # below this share of undisturbed spans, even those cannot be trusted


@dataclass(frozen=True)
class Contention:
    """`noisy` if too many spans of time were disturbed; `reason` has the figures."""

    noisy: bool
    reason: str


def contention(others: ArrayLike, cpu_share: ArrayLike) -> Contention:
    """Judge each span of time by who used the CPUs; to judge it by its own ratio would bias the result.

    Args:
        others: CPU time of everything else / (wall time x CPUs) in each span [n].
        cpu_share: CPU time of the program / (wall time x CPUs) in each span [n], relative to its own best, so that a
            program which leaves CPUs idle by itself is not blamed.

    Raises:
        ValueError: the lengths differ, or a share is negative or not finite.
    """
    others_share, own_share = finite(others, "others"), finite(cpu_share, "cpu_share")
    if others_share.size != own_share.size:
        raise ValueError(f"{others_share.size} shares of others and {own_share.size} cpu shares; expected one of each")
    for name, lowest in (("others", others_share.min()), ("cpu_share", own_share.min())):
        if lowest < 0:
            raise ValueError(f"{name} is {lowest}; expected a share of 0 or more")
    disturbed = (others_share >= OTHERS_LIMIT) | (own_share < CPU_SHARE_LIMIT)
    noisy = bool(np.mean(~disturbed) < GOOD_SHARE)
    reason = (
        f"{disturbed.sum()} of {disturbed.size} spans disturbed: others took {np.median(others_share):.0%} of the "
        f"CPUs (bad from {OTHERS_LIMIT:.0%}), the program had {np.median(own_share):.0%} of its best share "
        f"(bad below {CPU_SHARE_LIMIT:.0%})"
    )
    return Contention(noisy, reason)


@dataclass(frozen=True)
class Drift:
    """Relative change from the first half of a trial to the second; `significant` if it exceeds its 95 % error."""

    change: float
    significant: bool


def drift(times: ArrayLike) -> Drift:
    """Compute the drift of forward + backward times [n], in time order, from their first half to their second.

    This describes a trial; it does not mark it as noisy. Drift changes both phases of a pair alike, and hardly their
    ratio; `contention` detects disturbances. Each half needs two whole blocks for an error; with fewer, no change is
    significant. The smaller of the two degrees of freedom is the cautious choice.
    """
    logs = log_times(times)
    first, second = within(logs[: logs.size // 2]), within(logs[logs.size // 2 :])
    difference = Estimate(second.centre - first.centre, math.hypot(first.se, second.se), min(first.df, second.df))
    return Drift(math.expm1(difference.centre), abs(difference.centre) > difference.half_width())
