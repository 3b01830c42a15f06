"""Tracing: the calls, what needs a gradient, and what a model must not do."""

from __future__ import annotations

from typing import Any

import pytest

from harness.workload import draw
from harness.workload.cost import cost
from harness.workload.models import build
from harness.workload.ops import WorkloadError
from harness.workload.trace import trace


class Sketch:
    """A model from a function `loss(ops, param, **batch)`."""

    def __init__(self, loss: Any, **batch: Any) -> None:
        self.loss = loss
        self.batch = batch or {"x": draw.normal(3, 4), "labels": draw.integers(3, high=4)}

    def batch_arrays(self) -> Any:
        return dict(self.batch)


def test_calls_are_recorded_in_order_with_inputs_by_number() -> None:
    graph = trace(build("mlp", {"batch": 4, "depth": 2, "width": 8}))
    assert [call.op for call in graph.calls] == ["linear", "relu", "linear", "cross_entropy"]
    first, second = graph.calls[:2]
    assert first.inputs == (graph.inputs["x"], graph.params["w1"], graph.params["b1"])
    assert second.inputs == first.outputs
    assert graph.calls[-1].outputs == (graph.loss,)
    assert graph.specs[graph.loss].shape == ()


def test_a_gradient_flows_through_what_depends_on_a_parameter_and_nothing_else() -> None:
    graph = trace(build("mlp", {"batch": 4, "depth": 2, "width": 8}))
    outputs = {n for call in graph.calls for n in call.outputs}
    assert graph.needs_gradient == outputs | set(graph.params.values())
    assert graph.sources == graph.params


def test_inputs_want_a_gradient_only_when_asked_and_only_if_they_are_floats() -> None:
    graph = trace(build("mlp", {"batch": 4, "depth": 2, "width": 8}), gradients="both")
    assert set(graph.sources) == {*graph.params, "x"}
    assert graph.inputs["labels"] not in graph.needs_gradient
    alone = graph.side("inputs")
    assert set(alone.sources) == {"x"}
    assert not alone.needs_gradient.intersection(graph.params.values())
    with pytest.raises(WorkloadError, match="gradients=both: GPT2 has no input that can have one"):
        trace(build("gpt2", {"batch": 1, "tokens": 4, "layers": 1}), gradients="both")


def test_work_before_the_first_parameter_needs_no_gradient() -> None:
    def loss(ops: Any, param: Any, x: Any, labels: Any) -> Any:
        return ops.cross_entropy(ops.linear(ops.relu(x), param("w", draw.normal(4, 4))), labels)

    graph = trace(Sketch(loss))
    assert graph.calls[0].outputs[0] not in graph.needs_gradient
    assert cost(graph).dx.matmuls == 0
    assert cost(trace(Sketch(loss), gradients="both")).dx.matmuls == 1


def test_a_parameter_asked_for_twice_is_one_parameter() -> None:
    def loss(ops: Any, param: Any, x: Any, labels: Any) -> Any:
        for _ in range(2):
            x = ops.linear(x, param("w", draw.normal(4, 4)))
        return ops.cross_entropy(x, labels)

    graph = trace(Sketch(loss))
    assert graph.parameter_count == 16
    assert graph.uses(graph.params["w"]) == [("linear", 1), ("linear", 1)]
    assert cost(graph).dw.matmuls == 2


def test_a_parameter_asked_for_in_two_ways_is_refused() -> None:
    def loss(ops: Any, param: Any, x: Any, labels: Any) -> Any:
        x = ops.linear(x, param("w", draw.normal(4, 4)))
        return ops.cross_entropy(ops.linear(x, param("w", draw.he(4, 4))), labels)

    with pytest.raises(WorkloadError, match="parameter 'w' is asked for twice"):
        trace(Sketch(loss))


def test_a_name_shared_by_an_input_and_a_parameter_is_refused() -> None:
    def loss(ops: Any, param: Any, x: Any, labels: Any) -> Any:
        return ops.cross_entropy(ops.linear(x, param("x", draw.normal(4, 4))), labels)

    with pytest.raises(WorkloadError, match=r"\['x'\] name both"):
        trace(Sketch(loss))


def test_a_loss_that_is_no_scalar_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"scalar, its shape is \(3, 4\)"):
        trace(Sketch(lambda ops, param, x, labels: ops.linear(x, param("w", draw.normal(4, 4)))))


def test_an_op_outside_the_catalogue_is_refused_with_what_there_is() -> None:
    with pytest.raises(WorkloadError, match=r"no op 'softplus' .*cross_entropy"):
        trace(Sketch(lambda ops, param, x, labels: ops.softplus(x)))


def test_several_outputs_are_several_values() -> None:
    def loss(ops: Any, param: Any, x: Any, labels: Any) -> Any:
        left, right = ops.split(ops.linear(x, param("w", draw.normal(4, 8))), parts=2)
        return ops.cross_entropy(ops.add(left, right), labels)

    graph = trace(Sketch(loss))
    split = graph.calls[1]
    assert len(set(split.outputs)) == 2
    assert graph.calls[2].inputs == split.outputs


def test_shapes_that_do_not_fit_are_refused_while_tracing() -> None:
    with pytest.raises(WorkloadError, match="linear: "):
        trace(Sketch(lambda ops, param, x, labels: ops.linear(x, param("w", draw.normal(5, 4)))))
