"""Biases that keep rectifiers' inputs away from their corners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.workload import draw, primitives
from harness.workload.backprop import run_forward
from harness.workload.kinks import REACH, move_biases
from harness.workload.ops import CATALOGUE
from harness.workload.trace import Graph, trace
from harness.workload.workload import Workload

MODELS = {
    "mlp": {"batch": 64, "depth": 3, "width": 32},
    "resnet18": {"batch": 2, "image": 33, "classes": 10},
    "mobilenet_v2": {"batch": 2, "image": 32, "classes": 10},
    "vgg16": {"batch": 1, "image": 32, "classes": 10, "hidden": 16},
}


def drawn(graph: Graph) -> dict[str, np.ndarray]:
    return {name: d.sample(0, name) for name, d in graph.draws.items()}


def nearest(graph: Graph, arrays: dict[str, np.ndarray]) -> float:
    """How near any input of a rectifier is to a corner."""
    doubles = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in arrays.items()}
    # Steps that cache a local gradient need no inputs; these keep them.
    _, steps = run_forward(primitives, graph, doubles, recompute=True)
    corners = ((step.inputs[0], corner) for step in steps for corner in CATALOGUE[step.call.op].corners)
    return float(min(np.abs(np.asarray(inputs) - corner).min() for inputs, corner in corners))


@pytest.mark.parametrize("name", MODELS)
def test_no_input_of_a_rectifier_is_within_rounding_of_its_corner(name: str) -> None:
    graph = Workload.of(name, MODELS[name]).graph
    arrays = drawn(graph)
    assert nearest(graph, move_biases(graph, arrays)) > max(2e-5, 3 * nearest(graph, arrays))


@pytest.mark.parametrize("name", MODELS)
def test_biases_move_by_little_and_nothing_else_moves(name: str) -> None:
    graph = Workload.of(name, MODELS[name]).graph
    arrays = drawn(graph)
    shifted = move_biases(graph, arrays)
    moved = {n for n in arrays if not np.array_equal(shifted[n], arrays[n])}
    assert moved
    assert all(n.endswith(".b") or n.endswith(".shift") or n in ("b1", "b2") for n in moved), moved
    for n in moved:
        assert shifted[n].dtype == np.float32
        assert np.abs(shifted[n] - arrays[n]).max() <= 1.001 * REACH


def test_the_last_layers_bias_which_no_rectifier_sees_stays() -> None:
    graph = Workload.of("mlp", MODELS["mlp"]).graph
    arrays = drawn(graph)
    np.testing.assert_array_equal(move_biases(graph, arrays)["b3"], arrays["b3"])


class Twice:
    """One bias in two layers: to move it for one rectifier would spoil the other."""

    def batch_arrays(self) -> Any:
        return {"x": draw.normal(8, 4), "labels": draw.integers(8, high=4)}

    def loss(self, ops: Any, param: Any, x: Any, labels: Any) -> Any:
        for name in ("w1", "w2"):
            x = ops.relu(ops.linear(x, param(name, draw.he(4, 4)), param("b", draw.bias(4))))
        return ops.cross_entropy(x, labels)


def test_a_bias_that_is_used_twice_stays() -> None:
    graph = trace(Twice())
    arrays = drawn(graph)
    np.testing.assert_array_equal(move_biases(graph, arrays)["b"], arrays["b"])


def test_arrays_that_were_given_are_left_as_they_are() -> None:
    graph = Workload.of("mlp", MODELS["mlp"]).graph
    arrays = drawn(graph)
    before = {name: a.copy() for name, a in arrays.items()}
    move_biases(graph, arrays)
    assert all(np.array_equal(arrays[n], before[n]) for n in before)


def test_a_model_without_rectifiers_is_as_it_was_drawn() -> None:
    sizes = {"batch": 1, "tokens": 4, "layers": 1, "width": 8, "heads": 2, "vocabulary": 9, "context": 4}
    workload = Workload.of("gpt2", sizes)
    for name, array in drawn(workload.graph).items():
        np.testing.assert_array_equal(workload.sample()[name], array)
