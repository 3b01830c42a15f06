"""Takes a workload apart: each distinct op call as a workload of its own, which one command shows alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..job import Device, Variant
from ..workload.backprop import wants
from ..workload.cost import price
from ..workload.draw import Draw, Integers, Positions
from ..workload.ops import CATALOGUE, Work
from ..workload.trace import Call, Graph
from ..workload.workload import Workload


@dataclass(frozen=True, eq=False)
class Part:
    """One op on arguments of certain shapes, and how often a workload calls it so.

    `dx` and `dw` are the work of the gradients that the workload wants of its data and of its weights; None where it
    wants none. `calls` are the places in the workload's trace where it is called.
    """

    workload: Workload
    count: int
    forward: Work
    dx: Work | None
    dw: Work | None
    calls: tuple[int, ...] = ()

    @property
    def op(self) -> str:
        """The op's name."""
        return self.workload.label

    @property
    def shape(self) -> str:
        """The shapes of the op's arguments, and those of its attributes that say how its work is cut."""
        sizes = self.workload.as_dict()["sizes"]
        shapes = " ".join("x".join(map(str, shape)) or "1" for shape in _few(sizes["shapes"]))
        return " ".join([shapes, *(f"{key}={value}" for key, value in self.attrs.items())])

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes that say how the op's work is cut."""
        given = self.workload.as_dict()["sizes"]["attrs"] or {}
        return {key: value for key, value in given.items() if key not in _UNTOLD}

    @property
    def wanted(self) -> tuple[str, ...]:
        """The passes that the workload asks for: forward, and dx or dw or both."""
        return ("forward", *(name for name in ("dx", "dw") if getattr(self, name) is not None))

    @property
    def works(self) -> dict[str, Work]:
        """The work of each pass that there is: forward, backward, and dX and dW, which are the latter's parts."""
        sides = {name: work for name, work in (("dX", self.dx), ("dW", self.dw)) if work is not None}
        whole = {"backward": sum(sides.values(), Work())} if sides else {}
        return {"forward": self.forward, **whole, **sides}

    def bytes(self, name: str) -> int:
        """How many bytes a pass reads or writes at least."""
        return BYTES[self.workload.precision] * self.works[name].elements

    @property
    def arrays(self) -> tuple[int, ...]:
        """How many elements the op's first two arguments and its first output have."""
        graph = self.workload.graph
        (call,) = graph.calls
        return tuple(graph.specs[number].size for number in (*call.inputs[:2], call.outputs[0]))

    def command(self, variant: Variant, device: Device) -> str:
        """The command that measures this op alone, as it is here."""
        sizes = self.workload.as_dict()["sizes"]
        given = {key: sizes[key] for key in ("shapes", "attrs", "constant") if sizes[key]}
        words = [f"device={device.name}", "model=op", f"model.op={self.op}"]
        words += [f'"model.{key}={_hydra(value)}"' for key, value in given.items()]
        if any(isinstance(drawn, Integers) for drawn in self.workload.graph.draws.values()):
            words.append(f"model.entries={sizes['entries']}")
        words += [f"precision={self.workload.precision}"] if self.workload.precision != "fp32" else []
        words += [f"gradients={self.workload.gradients}"] if self.workload.gradients != "params" else []
        words += [f"variants={variant.framework}", f'"variants.{variant.framework}=[{variant.execution}]"']
        chosen = applicable(replayed(variant), self.workload.graph)
        words += [f'"choices.{key}=[{value}]"' for key, value in chosen.items()]
        return f".venv/bin/python -m harness {' '.join(words)}"


BYTES = {"fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "bf16_mixed": 2}  # of an element, as multiplies read it
_UNTOLD = ("eps", "slope", "rate")
_ADDED_PHASES = ("optimizer", "tangent")  # choices that add a phase, and change no op
_MOST_SHAPES = 3


def replayed(variant: Variant) -> dict[str, Any]:
    """The variant's choices that a replay has."""
    return {name: value for name, value in variant.choices.departing.items() if name not in _ADDED_PHASES}


def applicable(choices: Mapping[str, Any], graph: Graph) -> dict[str, Any]:
    """Those choices that concern a graph; an adapter refuses the others."""
    concerned = {
        "attention": any(call.op == "attention" for call in graph.calls),
        "layout": bool(graph.images),
        "residuals": choices.get("residuals") != "blocks" or any(call.block for call in graph.calls),
    }
    return {name: value for name, value in choices.items() if concerned.get(name, True)}


def distinct_parts(workload: Workload) -> list[Part]:
    """Each distinct call of a workload: op, shapes, attributes, and which arguments need a gradient."""
    graph = workload.graph
    calls: dict[str, list[int]] = defaultdict(list)
    first: dict[str, Part] = {}
    for number, call in enumerate(graph.calls):
        sizes, gradients = _alone(graph, call)
        key = json.dumps([sizes, gradients, wants(graph, call)], sort_keys=True)
        calls[key].append(number)
        if key not in first:
            alone = Workload.of("op", sizes, precision=workload.precision, seed=workload.seed, gradients=gradients)
            first[key] = Part(alone, 0, *_priced(graph, call))
    return [replace(part, count=len(calls[key]), calls=tuple(calls[key])) for key, part in first.items()]


def _alone(graph: Graph, call: Call) -> tuple[dict[str, Any], str]:
    """The sizes of a call as `model=op`, and the gradients to ask for.

    A call that needs no gradient at all is asked for every gradient: every program has a backward pass.
    """
    specs, wanting, weights = [graph.specs[n] for n in call.inputs], wants(graph, call), CATALOGUE[call.op].weights
    floats = [position for position, spec in enumerate(specs) if spec.kind in ("float", "constant")]
    wanted = [position for position in floats if wanting[position]] or [p for p in floats if specs[p].kind == "float"]
    sizes: dict[str, Any] = {"op": call.op, "shapes": [list(spec.shape) for spec in specs]}
    sizes |= {"attrs": dict(call.attrs)} if call.attrs else {}
    drawn = {number: graph.draws[name] for named in (graph.inputs, graph.params) for name, number in named.items()}
    for number in call.inputs:
        if isinstance(indices := drawn.get(number), Integers | Positions):
            sizes["entries"] = _entries(indices)
    of_weights = [position for position in wanted if position in weights]
    of_data = [position for position in wanted if position not in weights]
    only_weights = bool(of_weights and not of_data)
    constant = [i for i in floats if i not in wanted and not (only_weights and i not in weights)]
    sizes |= {"constant": constant} if constant else {}
    if not weights or only_weights:
        return sizes, "params"
    return sizes, "both" if of_weights else "inputs"


def _entries(drawn: Draw) -> int:
    """How many entries an argument of indices chooses among."""
    return drawn.length if isinstance(drawn, Positions) else getattr(drawn, "high", 1)


def _priced(graph: Graph, call: Call) -> tuple[Work, Work | None, Work | None]:
    """The work of forward, of the wanted gradients of data, and of those of weights."""
    priced, wanting, weights = price(graph, call), wants(graph, call), CATALOGUE[call.op].weights
    dx = [work for i, work in enumerate(priced.gradients) if wanting[i] and i not in weights]
    dw = [work for i, work in enumerate(priced.gradients) if wanting[i] and i in weights]
    shared = priced.shared if dx or dw else Work()
    return priced.forward, sum(dx, shared) if dx else None, sum(dw, Work() if dx else shared) if dw else None


def _few(shapes: list[list[int]]) -> list[list[int]]:
    """The first shapes of an op: the tenth token of a stack says no more than the second."""
    return shapes[:_MOST_SHAPES]


def _hydra(value: Any) -> str:
    """Write a list or mapping as Hydra's overrides have it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_hydra(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_hydra, value)) + "]"
    return json.dumps(value)
