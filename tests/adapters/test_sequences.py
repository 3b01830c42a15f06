"""Every family of sequence models, tiny, in one execution of each framework: the same loss, the same gradients."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np
import pytest

from harness.workload.agreement import Agreement, agreement
from harness.workload.cost import cost
from harness.workload.models import build
from harness.workload.oracle import Reference, reference
from harness.workload.trace import Graph, trace
from tests.helpers.tiny import counts, sample

THREADS = 1  # as in the other tests: jax and TensorFlow keep their first number until the process ends
EXECUTIONS = (("torch", "eager"), ("jax", "jit"), ("tensorflow", "graph"))

RECURRENT = {"batch": 3, "tokens": 4, "layers": 2, "width": 8, "vocabulary": 11}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("vit", {"batch": 2, "image": 16, "patch": 8, "layers": 1, "width": 16, "heads": 2, "classes": 5}),
    "bert": (
        "bert",
        {"batch": 3, "tokens": 6, "layers": 1, "width": 16, "heads": 2, "vocabulary": 30, "context": 8, "dropout": 0.2},
    ),
    "llama": (
        "llama",
        {"batch": 2, "tokens": 6, "layers": 1, "width": 16, "heads": 4, "kv_heads": 2, "hidden": 24, "vocabulary": 30},
    ),
    "mixer": (
        "mixer",
        {
            "batch": 2,
            "image": 16,
            "patch": 8,
            "layers": 1,
            "width": 12,
            "token_hidden": 8,
            "channel_hidden": 20,
            "classes": 5,
        },
    ),
    "lstm": ("lstm", RECURRENT),
    "lstm unrolled": ("lstm", RECURRENT | {"loop": "unrolled"}),
    "gru": ("gru", RECURRENT),
    "gru unrolled": ("gru", RECURRENT | {"loop": "unrolled"}),
    "dlrm": ("dlrm", {"batch": 6, "tables": 3, "entries": 7, "width": 4, "hidden": 8}),
    "attention": ("attention", {"batch": 2, "tokens": 6, "width": 16, "heads": 4, "kv_heads": 2}),
}
AIM, LIMIT = 1e-5, 1e-4  # of a gradient's norm: what 95 % of the programs keep, and what all keep


@functools.cache
def work(family: str) -> tuple[Graph, dict[str, np.ndarray], Reference]:
    name, sizes = FAMILIES[family]
    graph = trace(build(name, sizes))
    arrays = sample(graph)
    return graph, arrays, reference(graph, arrays)


@functools.cache
def found(framework: str, execution: str, family: str) -> tuple[Agreement, dict[str, Any]]:
    """How far the program's answers are from the oracle's, and what it executes, which must be what is expected."""
    graph, arrays, expected = work(family)
    adapter = importlib.import_module(f"adapters.{framework}").Adapter("cpu", THREADS, "fp32")
    program = adapter.load(graph, arrays, execution)
    inferred, kept = program.inference(), program.forward()
    split = program.export(program.backward(kept))
    loss, fused = program.gradient()
    losses = [float(inferred), float(kept[0]), float(loss)]
    return agreement(losses, [split, program.export(fused)], expected), counts(adapter, program, graph, execution)


EACH = [
    pytest.param(*execution, family, id=f"{'-'.join(execution)}-{family}")
    for execution in EXECUTIONS
    for family in FAMILIES
]


@pytest.mark.parametrize(("framework", "execution", "family"), EACH)
def test_loss_and_every_gradient_are_the_oracles(framework: str, execution: str, family: str) -> None:
    errors = found(framework, execution, family)[0]
    assert errors.loss < AIM
    assert errors.worst[1] < LIMIT, errors.worst


def test_nearly_all_gradients_are_far_inside_the_limit() -> None:
    worst = [found(*execution, family)[0].worst[1] for execution in EXECUTIONS for family in FAMILIES]
    assert np.mean(np.array(worst) <= AIM) >= 0.95, worst


@pytest.mark.parametrize(("framework", "execution"), EXECUTIONS)
def test_a_loop_computes_one_state_more_than_is_asked_and_says_so(framework: str, execution: str) -> None:
    """The extra FLOPs are those of one step's product, in each layer."""
    table = cost(work("lstm")[0])
    extra = RECURRENT["layers"] * 2 * RECURRENT["batch"] * RECURRENT["width"] * 4 * RECURRENT["width"]
    backward = found(framework, execution, "lstm")[1]["backward"]
    assert backward.flops == table.backward.flops + extra
    assert "first" in backward.note
