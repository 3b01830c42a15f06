"""Networks that take no time, their arrays, and what a program answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from adapters.choices import DEFAULT, Choices
from harness.measure.multiply_check import counted
from harness.measure.protocol import Counted
from harness.workload.models import GPT2, MLP
from harness.workload.trace import Graph

TINY_MLP = MLP(batch=4, depth=3, width=8)
TINY_GPT2 = GPT2(batch=2, tokens=8, layers=2, width=16, heads=2, vocabulary=50, context=8)


def sample(graph: Graph) -> dict[str, np.ndarray]:
    """Parameters and inputs as the worker has them: mapped from disk, not to be written."""
    arrays = {name: draw.sample(0, name) for name, draw in graph.draws.items()}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def answers(program: Any, graph: Graph | None = None) -> tuple[list[Any], list[dict[str, np.ndarray]]]:
    """Losses and gradients of all phases, in the order in which a worker calls them first.

    Of a graph without a loss, the outputs by the names of their cotangents.
    """
    names = graph.cotangents if graph else ()
    inferred, kept = program.inference(), program.forward()
    split = program.export(program.backward(kept))
    loss, fused = program.gradient()
    results = [
        program.export(dict(zip(names, result, strict=True))) if names else float(result)
        for result in (inferred, kept[0], loss)
    ]
    return results, [split, program.export(fused)]


def counts(adapter: Any, program: Any, graph: Graph, execution: str, choices: Choices = DEFAULT) -> dict[str, Counted]:
    """What each phase executes, after first calls. Raises Failure where it is neither what is asked nor explained."""
    return counted(program, graph, adapter.departures(execution, choices), choices)
