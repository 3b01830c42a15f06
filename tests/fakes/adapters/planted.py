"""A framework that only takes time: so much for each FLOP, element and call, and more where its execution says so.

It takes it from a clock of its own, which the worker then reads: no load on the machine disturbs it. `slow_dw` sleeps
for a fifth of the time of each dW, `copies` copies a multiply's arrays once more in forward, and `multiplies` computes
one product too many for each dX. `fused` calls nothing, and does without ops that do not multiply where there are
others. `no_relu` cannot load a relu alone, unless of one element. `slow_in_place` takes twice the time for each dW
that is not alone. A profiler shows every call, but in `blind`, which has none, and in `dies`, where it takes the
process with it.
"""

from __future__ import annotations

import os
import random
from functools import partial
from typing import Any

import numpy as np

from adapters.base import EXTRA_PHASES, PHASES, Unsupported
from harness.measure import clock, in_turn
from harness.workload.backprop import wants
from harness.workload.cost import price
from harness.workload.ops import CATALOGUE, Work
from harness.workload.trace import Graph

FLOP_S, ELEMENT_S = 8e-9, 1e-7
OP_S, WHOLE_S = 2e-4, 3e-4  # of calling an op, and a pass
NOISE = 0.01  # standard deviation of the logarithm of each time


class Clock:
    """Stands still, but for what sleeps and what is read."""

    def __init__(self) -> None:
        self.now = 0.0
        self.random = random.Random(0)

    def read(self) -> float:
        self.now += 1e-7
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds * self.random.lognormvariate(0, NOISE)


CLOCK = Clock()


class Adapter:
    executions = ()

    def __init__(self, device: str, threads: Any, precision: str) -> None:
        for module in (clock, in_turn):
            module.perf_counter = CLOCK.read  # type: ignore[attr-defined]  # the name under which they import it

    def describe(self) -> Any:
        return {"planted": "1.0"}

    def load(
        self, graph: Graph, arrays: dict[str, np.ndarray], execution: str, choices: Any = None, directions: Any = None
    ) -> Any:
        if (
            execution == "no_relu"
            and [call.op for call in graph.calls] == ["relu"]
            and graph.specs[graph.calls[0].inputs[0]].size > 1
        ):
            raise Unsupported("planted: it has no relu alone")
        return Program(graph, execution)

    def refusal(self, error: Any) -> None:
        return None

    def wait(self, value: Any) -> None:
        pass


class Program:
    repeatable = True

    def __init__(self, graph: Graph, execution: str) -> None:
        self.execution = execution
        sides = {side: graph.side(side) for side in ("inputs", "params")} if graph.gradients == "both" else {}
        self.phases = (*PHASES, *(phase for phase in EXTRA_PHASES if phase.partition("_")[2] in sides))
        for phase in self.phases:
            of = sides.get(phase.partition("_")[2], graph)
            setattr(self, phase, self.sleeper(phase.partition("_")[0], of))
        if execution != "blind":
            self.profiled = partial(self.shown, graph)

    def restrict(self, phases: Any) -> None:
        self.phases = tuple(phase for phase in self.phases if phase in phases)

    def sleeper(self, phase: str, graph: Graph) -> Any:
        seconds = sum(self.seconds(phase, graph, call) for call in self.calls(graph)) + WHOLE_S

        def sleep(*_: Any) -> Any:
            CLOCK.sleep(seconds)
            return seconds, seconds

        return sleep

    def shown(self, graph: Graph, passes: int) -> Any:
        """Each call of the workload, as a profiler would show it."""
        if self.execution == "dies":
            os._exit(1)
        names = ("forward", "backward")
        times = [{name: self.seconds(name, graph, call) for name in names} for call in graph.calls]
        for call, directions in zip(graph.calls, times, strict=True):
            sides = self.sides(graph, call)
            whole = sum(sides.values())
            if len(sides) == 2:
                directions |= {name: directions["backward"] * seconds / whole for name, seconds in sides.items()}
        return [dict(enumerate(times))] * passes

    def calls(self, graph: Graph) -> Any:
        multiplying = [call for call in graph.calls if price(graph, call).forward.flops]
        return multiplying if self.execution == "fused" and multiplying else graph.calls

    def seconds(self, phase: str, graph: Graph, call: Any) -> Any:
        """Of one call, in a pass."""
        priced = price(graph, call)
        forward = self.of(priced.forward)
        if self.execution == "copies" and priced.forward.flops:
            forward *= 1.4
        backward = sum(self.sides(graph, call).values())
        called = 0.0 if self.execution == "fused" else OP_S
        passes = {"inference": forward, "forward": forward, "backward": backward, "gradient": forward + backward}
        return passes[phase] + called

    def sides(self, graph: Graph, call: Any) -> dict[str, float]:
        """Of the gradients of one call's data and weights, as far as they are wanted."""
        weights, seconds = CATALOGUE[call.op].weights, dict[str, float]()
        slow = {"slow_dw": 1.25, "slow_in_place": 2 if len(graph.calls) > 1 else 1}.get(self.execution, 1)
        for position, (work, wanted) in enumerate(zip(price(graph, call).gradients, wants(graph, call), strict=True)):
            if wanted and position in weights:
                seconds["dw"] = seconds.get("dw", 0.0) + self.of(work) * slow
            elif wanted:
                more = 2 if self.execution == "multiplies" and work.flops else 1
                seconds["dx"] = seconds.get("dx", 0.0) + self.of(work) * more
        return seconds

    def of(self, work: Work) -> Any:
        return work.flops * FLOP_S if work.flops else work.elements * ELEMENT_S
