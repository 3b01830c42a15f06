"""The ratio of a variant as a product of causes, exact in logarithms.

    measured = flops x mix x forward x dX x dW x memory x dispatch x rest

All times are those of the parts alone (`replay.py`), times how often the workload calls them. From each the cost of
calling is taken away (`Calls`), so that f, x and w are what an op's kernels take for forward, dX and dW; x and w are
scaled to add up to the op's whole backward pass b. F, X and W are the FLOPs of an op's multiplies, and r is the best
rate that the framework reaches for that op in any of the three: max(F / f, X / x, W / w). Sums go over the ops that
multiply, unless "of all" is said.

- flops:    (sum X + sum W) / sum F, of the whole workload. What the ratio would be at one rate for everything.
- mix:      (sum X/r + sum W/r) / (sum F/r), over flops. Ops differ in rate and in ratio: a slow first layer has no dX.
- forward:  (sum F/r) / (sum f). Below 1 where forward is slower than the op can be.
- dX:       (sum x + sum W/r) / (sum X/r + sum W/r). Above 1 where dX is slower than the op can be.
- dW:       (sum x + sum w) / (sum x + sum W/r). Above 1 where dW is slower than the op can be.
- memory:   (sum b of all) / (sum f of all), over (sum x + sum w) / (sum f): what ops without multiplies do to it.
- dispatch: (sum b of all) / (sum f of all) with the cost of calling (each op once, each pass once), over that without.
- rest:     measured, over the product of the others: fusion where an execution compiles, unexplained where it does not.

Each divides by what the one before it multiplied with, so they cancel but for the measured ratio. A workload without
multiplies has the first five at 1. Intervals are 95 % of a sampling of all times from their own standard errors; there
are none if one of those is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..measure.stats import Estimate
from .calls import Calls
from .parts import Part
from .replay import Replay, Timed

NAMES = ("flops", "mix", "forward", "dX", "dW", "memory", "dispatch", "rest")
DRAWS = 200

Take = Callable[[Estimate], float]


@dataclass(frozen=True)
class Net:
    """Seconds of one part's kernels, called once; those of gradients that are not wanted are 0."""

    forward: float
    backward: float
    dx: float
    dw: float


@dataclass(frozen=True)
class Factor:
    """One factor, its interval and the part that has most to do with it; each of these is None if there is none."""

    name: str
    value: float
    interval: tuple[float, float] | None
    part: Part | None = None


@dataclass(frozen=True)
class Explained:
    """The factors of a variant, in order, and how much of each measured pass its parts and their calls add up to."""

    ratio: float
    factors: tuple[Factor, ...]
    forward_share: float
    backward_share: float
    net: dict[Part, Net]

    @property
    def largest(self) -> Factor:
        """The factor furthest from 1, apart from that of the FLOPs, which is no departure from what is expected."""
        return max(self.factors[1:], key=lambda factor: abs(math.log(factor.value)))


def explain(replay: Replay, parts: Sequence[Part], seed: int = 0) -> Explained:
    """Compute the factors of a variant. `parts` are those of its workload, measured or not."""
    values, net, shares = _factors(replay, parts, lambda estimate: math.exp(estimate.centre))
    intervals, causes = _intervals(replay, parts, np.random.default_rng(seed)), _causes(net)
    factors = tuple(Factor(name, values[name], intervals.get(name), causes.get(name)) for name in NAMES)
    return Explained(math.exp(replay.ratio.centre), factors, *shares, net)


def _intervals(replay: Replay, parts: Sequence[Part], generator: np.random.Generator) -> dict[str, tuple[float, float]]:
    """The interval of each factor; none if a standard error is not known."""
    if any(math.isnan(estimate.se) for estimate in replay.estimates()):
        return {}

    def drawn(estimate: Estimate) -> float:
        return math.exp(estimate.centre + estimate.se * generator.normal())

    draws = [_factors(replay, parts, drawn)[0] for _ in range(DRAWS)]
    ends = {name: np.percentile([draw[name] for draw in draws], [2.5, 97.5]) for name in NAMES}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def _factors(
    replay: Replay, parts: Sequence[Part], take: Take
) -> tuple[dict[str, float], dict[Part, Net], tuple[float, float]]:
    """The factors by name, the net times, and the shares of both passes that are explained."""
    calls = {
        name: Calls.of({tiny: take(getattr(timed, name)) for tiny, timed in replay.tiny.items()})
        for name in ("forward", "backward")
    }
    net = {part: _net(timed, calls, take) for part, timed in replay.timed.items()}

    measured_parts = list(net)
    multiplying = [part for part in measured_parts if part.forward.flops]
    forward_s = sum(part.count * net[part].forward for part in measured_parts)
    backward_s = sum(part.count * net[part].backward for part in measured_parts)
    values = dict.fromkeys(NAMES, 1.0)
    so_far = 1.0
    if multiplying:
        best = {part: _best_rate(part, net[part]) for part in multiplying}
        flops = [sum(part.count * _flops(part, d) for part in parts) for d in range(3)]
        least = [sum(part.count * _flops(part, d) / best[part] for part in multiplying) for d in range(3)]
        multiplying_forward_s = sum(part.count * net[part].forward for part in multiplying)
        multiplying_dx_s = sum(part.count * net[part].dx for part in multiplying)
        multiplying_dw_s = sum(part.count * net[part].dw for part in multiplying)
        values["flops"] = (flops[1] + flops[2]) / flops[0]
        values["mix"] = (least[1] + least[2]) / least[0] / values["flops"]
        values["forward"] = least[0] / multiplying_forward_s
        values["dX"] = (multiplying_dx_s + least[2]) / (least[1] + least[2])
        values["dW"] = (multiplying_dx_s + multiplying_dw_s) / (multiplying_dx_s + least[2])
        so_far = (multiplying_dx_s + multiplying_dw_s) / multiplying_forward_s
    values["memory"] = backward_s / forward_s / so_far
    with_calls = {
        name: seconds
        + calls[name].op * sum(p.count for p in measured_parts if name == "forward" or p.wanted != ("forward",))
        + calls[name].whole
        for name, seconds in (("forward", forward_s), ("backward", backward_s))
    }
    explained = with_calls["backward"] / with_calls["forward"]
    values["dispatch"] = explained / (backward_s / forward_s)
    values["rest"] = take(replay.ratio) / explained
    shares = with_calls["forward"] / take(replay.forward), with_calls["backward"] / take(replay.backward)
    return values, net, shares


def _net(timed: Timed, calls: Mapping[str, Calls], take: Take) -> Net:
    """A part's times without those of calling, dX and dW scaled to add up to backward."""
    forward = calls["forward"].net(take(timed.forward))
    if timed.backward is None:
        return Net(forward, 0.0, 0.0, 0.0)
    backward = calls["backward"].net(take(timed.backward))
    dx, dw = (0.0 if side is None else calls["backward"].net(take(side)) for side in (timed.dx, timed.dw))
    return Net(forward, backward, backward * dx / (dx + dw), backward * dw / (dx + dw))


def _flops(part: Part, direction: int) -> float:
    """The FLOPs of forward (0), dX (1) or dW (2) of one call."""
    work = (part.forward, part.dx, part.dw)[direction]
    return float(work.flops) if work else 0.0


def rates(part: Part, net: Net) -> dict[str, float]:
    """FLOP/s of forward, dX and dW, as far as the workload wants them and they multiply."""
    seconds = {"forward": net.forward, "dX": net.dx, "dW": net.dw}
    return {name: _flops(part, d) / s for d, (name, s) in enumerate(seconds.items()) if s > 0 and _flops(part, d) > 0}


def _best_rate(part: Part, net: Net) -> float:
    return max(rates(part, net).values())


def _causes(net: Mapping[Part, Net]) -> dict[str, Part]:
    """For the factors that are about kernels, the part that loses most time to each."""
    multiplying = [part for part in net if part.forward.flops]
    others = [part for part in net if not part.forward.flops]
    causes = {}
    for direction, name in enumerate(("forward", "dX", "dW")):

        def lost(part: Part, d: int = direction) -> float:
            seconds = (net[part].forward, net[part].dx, net[part].dw)[d]
            return part.count * (seconds - _flops(part, d) / _best_rate(part, net[part]))

        if multiplying:
            causes[name] = max(multiplying, key=lost)
    if others:
        causes["memory"] = max(others, key=lambda part: part.count * (net[part].forward + net[part].backward))
    return causes


def as_dict(explained: Explained) -> dict[str, Any]:
    """The ratio, its factors and what they explain, ready for JSON, without the parts."""
    return {
        "ratio": explained.ratio,
        "factors": {f.name: [f.value, *(f.interval or ())] for f in explained.factors},
        "largest": explained.largest.name,
        "forward_share": explained.forward_share,
        "backward_share": explained.backward_share,
    }
