"""What TensorFlow shows of each op in place, op by op, in a graph and compiled by XLA."""

from __future__ import annotations

import time
from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")

from adapters.base import Unsupported  # noqa: E402
from adapters.choices import Choices  # noqa: E402
from adapters.common.sides import wanted_sides  # noqa: E402
from adapters.profiled import Profiled, Times  # noqa: E402
from adapters.tensorflow import Adapter, ops  # noqa: E402
from adapters.tensorflow.counting import observed_ops  # noqa: E402
from adapters.tensorflow.profiled_eager import Timeline  # noqa: E402
from harness.workload.models import MLP, ResNet18  # noqa: E402
from harness.workload.trace import Graph, trace  # noqa: E402
from tests.helpers.in_place import last_linear, slow_in_every_run  # noqa: E402
from tests.helpers.tiny import TINY_GPT2, sample  # noqa: E402

SLEEP_S = 0.3
SLOW_CLASSES = 9
NETWORK = MLP(batch=24, depth=3, width=8)

pytestmark = pytest.mark.xdist_group("tensorflow-eager")


def shown(model: Any, execution: str, passes: int = 1, **choices: Any) -> tuple[Graph, list[Times]]:
    graph = trace(model)
    program: Any = Adapter("cpu", 1, "fp32").load(graph, sample(graph), execution, Choices(**choices))
    program.backward(program.forward())
    assert isinstance(program, Profiled)
    return graph, program.profiled(passes)


@pytest.mark.parametrize("execution", ["eager", "graph", "xla"])
def test_every_multiply_shows_its_forward_pass_and_both_gradients_in_every_pass(execution: str) -> None:
    graph, runs = shown(NETWORK, execution, 2)
    assert len(runs) == 2
    first, *others = (number for number, call in enumerate(graph.calls) if call.op == "linear")
    for times in runs:
        assert {"forward", "backward"} <= times[first].keys()
        assert "dx" not in times[first]
        for number in others:
            assert times[number]["dx"] + times[number]["dw"] == pytest.approx(times[number]["backward"])
        assert not any({"again", "ahead"} & directions.keys() for directions in times.values())


def test_gradients_are_found_in_every_branch_of_a_network_that_runs_op_by_op() -> None:
    graph, (times,) = shown(ResNet18(batch=2, image=32, classes=10), "eager")
    for number, call in enumerate(graph.calls):
        assert times[number]["forward"] > 0, call.op
        if call.op in ("conv2d", "batch_norm", "relu", "linear"):
            assert times[number]["backward"] > 0, call.op
        if call.op == "conv2d" and wanted_sides(graph, call) == {"dx", "dw"}:
            assert {"dx", "dw"} <= times[number].keys()


def test_what_runs_op_by_op_has_the_scope_of_its_call_and_the_type_of_its_op() -> None:
    timeline, x = Timeline(), tf.ones((4, 8))
    with observed_ops(timeline.observe), tf.GradientTape() as tape:
        tape.watch(x)
        tape.gradient(timeline.wrap(3, tf.nn.relu)(x), x)
    labels = [label for label, _, _ in timeline.events]
    assert {"call3.op/Relu", "gradient_tape/call3.op/ReluGrad"} <= set(labels)


def test_every_convolution_shows_both_gradients_although_xla_drops_the_name_of_one() -> None:
    graph, (times,) = shown(ResNet18(batch=2, image=32, classes=10), "xla")
    for number, call in enumerate(graph.calls):
        if call.op == "conv2d":
            assert times[number]["forward"] > 0 < times[number]["backward"]
            assert wanted_sides(graph, call) != {"dx", "dw"} or {"dx", "dw"} <= times[number].keys()


@pytest.mark.parametrize("execution", ["eager", "graph"])
def test_what_a_checkpoint_computes_again_is_told_apart(execution: str) -> None:
    graph, (times,) = shown(TINY_GPT2, execution, residuals="blocks")
    again = {graph.calls[number].op for number, directions in times.items() if directions.get("again")}
    assert "linear" in again
    assert all(graph.calls[number].block for number, directions in times.items() if directions.get("again"))


def test_a_planted_sleep_in_one_dw_is_found_at_its_call_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    @tf.custom_gradient
    def multiply(x: Any, w: Any) -> Any:
        def gradient(dy: Any) -> Any:
            if w.shape[1] == SLOW_CLASSES:
                time.sleep(SLEEP_S)
            return tf.matmul(dy, w, transpose_b=True), tf.matmul(x, dy, transpose_a=True)

        return tf.matmul(x, w), gradient

    monkeypatch.setattr(ops, "linear", lambda x, w, b: multiply(x, w) + b)
    graph, runs = shown(MLP(batch=4, depth=3, width=8, classes=SLOW_CLASSES), "eager", 3)
    assert slow_in_every_run(graph, runs, SLEEP_S) == {(last_linear(graph), "backward")}


@pytest.mark.parametrize("execution", ["eager", "graph"])
def test_a_backward_pass_by_hand_shows_nothing(execution: str) -> None:
    with pytest.raises(Unsupported, match="by hand does not name its ops"):
        shown(NETWORK, execution, autodiff="by_hand")
