"""How fast a machine runs an op, from its stored ceilings: the rates that it can reach at best, and those to expect.

All times are without those of calling. A multiply's FLOP/s are looked for among the probes of the same op, or of
plain multiplies where that has none, weighted by how near their arrays and FLOPs are; how much of the bandwidth an op
without multiplies reaches comes from its own two probes, by the bytes that it moves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ..records.ceilings import Ceilings, Probe
from .calls import Calls
from .parts import Part
from .probes import BANDWIDTH, MULTIPLY, Kind

NEARNESS = 3.0  # power of the distance, in logarithms of sizes, by which farther probes count less

TELLING = 0.3  # share of a probe's time that is its own, not its call's, for it to show a rate

Curve = tuple[Sequence[float], Sequence[float]]  # ln(bytes), ascending, and ln(bytes / s)


class Roofline:
    """The ceilings of one execution, as rates. Raises ValueError where probes of multiplies or of bandwidth failed."""

    def __init__(self, ceilings: Ceilings) -> None:
        self.calls = {name: Calls.of(ceilings.tiny[name]) for name in ("forward", "backward")}
        self._probes = ceilings.probes
        self._copies = {name: self._bandwidths(BANDWIDTH, name) for name in ("forward", "backward")}
        if not any(self._copies.values()) or not list(self._multiplies(MULTIPLY, "forward")):
            raise ValueError("what this machine allows could not be measured")

    def net(self, name: str, seconds: float) -> float:
        """Seconds of a pass without those of calling it."""
        return self.calls["forward" if name == "forward" else "backward"].net(seconds)

    def peak(self, name: str) -> float:
        """The most FLOP/s that any probe reaches in a pass: forward, dX or dW."""
        kinds = {probe.kind for probe in self._probes}
        rates = [rate for kind in kinds for _, rate in self._multiplies(kind, name)]
        return max(rates) if rates else self.peak("forward")

    def bandwidth(self, size: float) -> float:
        """The most bytes per second that arrays of so many bytes, or of more, were read and written with.

        The next smaller arrays that were tried count too: between the two, a cache may still hold them. Infinite for
        arrays so small that no copy shows how fast they are.
        """
        rates: list[float] = []
        for sizes, speeds in filter(None, self._copies.values()):
            first = int(np.searchsorted(sizes, math.log(max(size, 1.0)), side="right")) - 1
            rates += speeds[first:] if first >= 0 else [math.inf]
        return math.exp(max(rates))

    def said(self) -> str:
        """The ceilings in one line."""
        kinds = (("forward", "NN"), ("dX", "NT"), ("dW", "TN"))
        peaks = ", ".join(f"{self.peak(name) / 1e9:.0f} in {name} ({kind})" for name, kind in kinds)
        curve = self._copies["forward"] or self._copies["backward"]
        assert curve
        copies = ", ".join(
            f"{math.exp(speed) / 1e9:.0f} with {math.exp(size) / 2**20:.3g} MiB"
            for size, speed in zip(*curve, strict=True)
        )
        calls = " and ".join(f"{1e6 * self.calls[name].op:.0f} µs in {name}" for name in ("forward", "backward"))
        return f"this machine allows: GFLOP/s {peaks}; GB/s {copies}; a call takes {calls}"

    def seconds(self, part: Part, name: str) -> float:
        """The time to expect of one pass of an op, by the roofline: what takes longer, its multiplies or its bytes."""
        work, size = part.works[name], part.bytes(name)
        if not work.flops:
            return size / self._speed(self._kind(part), name, size)
        return max(size / self._speed(BANDWIDTH, name, size), work.flops / self._rate(part, name, work.flops))

    def _kind(self, part: Part) -> str:
        """The kind of a part, or another one of its op if only that was tried."""
        kind, tried = str(Kind.of(part)), [probe.kind for probe in self._probes]
        return kind if kind in tried else next((other for other in tried if other.split()[0] == part.op), kind)

    def _rate(self, part: Part, name: str, flops: int) -> float:
        """FLOP/s of a pass of an op that multiplies."""
        tried = ((self._kind(part), name), (MULTIPLY, name), (MULTIPLY, "forward"))
        probes = next(filter(None, (list(self._multiplies(*one)) for one in tried)))
        own = _position(part.arrays, flops)
        weights = [1 / (1e-6 + math.dist(own, position)) ** NEARNESS for position, _ in probes]
        return math.exp(float(np.average([math.log(rate) for _, rate in probes], weights=weights)))

    def _speed(self, kind: str, name: str, size: float) -> float:
        """Bytes per second of a pass of an op that moves so many bytes; those of a copy where it was not tried."""
        side = "forward" if name == "forward" else "backward"
        copy = self._copies[side] or self._copies["forward"]
        assert copy
        own = self._bandwidths(kind, side) or copy
        at = math.log(max(size, 1.0))
        share = [speed - float(np.interp(x, *copy)) for x, speed in zip(*own, strict=True)]
        return math.exp(float(np.interp(at, *copy)) + float(np.interp(at, own[0], share)))

    def _bandwidths(self, kind: str, name: str) -> Curve | None:
        """Bytes and bytes per second of the probes of an op."""
        passes = [probe.passes[name] for probe in self._probes if probe.kind == kind and name in probe.passes]
        nets = [(p.bytes, p.seconds, self.net(name, p.seconds)) for p in passes if p.bytes]
        if kind == BANDWIDTH:
            nets = [entry for entry in nets if entry[2] > TELLING * entry[1]]
        points = sorted((math.log(size), math.log(size / net)) for size, _, net in nets)
        return tuple(zip(*points, strict=True)) if points else None  # type: ignore[return-value]

    def _multiplies(self, kind: str, name: str) -> Iterator[tuple[tuple[float, ...], float]]:
        """The place among sizes, and the FLOP/s, of each probe of an op that multiplies in a pass."""
        for probe in self._probes:
            if probe.kind != kind or name not in probe.passes or not (flops := probe.passes[name].flops):
                continue
            if (seconds := self._share(probe, name)) > TELLING * probe.passes[name].seconds:
                yield _position(probe.arrays, flops), flops / seconds

    def _share(self, probe: Probe, name: str) -> float:
        """Seconds of a pass; dX and dW scaled down where backward, which does both, takes less than the two apart."""
        nets = {side: self.net(side, measured.seconds) for side, measured in probe.passes.items()}
        if name not in ("dX", "dW"):
            return nets[name]
        sides = sum(nets[side] for side in ("dX", "dW") if side in nets)
        return nets[name] * min(1.0, nets["backward"] / sides)


def _position(arrays: Sequence[int], flops: int) -> tuple[float, ...]:
    """The logarithms of an op's sizes."""
    return tuple(math.log(max(size, 1)) for size in (*arrays, flops))
