"""An op alone in every framework: backward starts from a cotangent that is given, and no loss is computed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adapters.base import Choices
from adapters.numpy import Adapter
from harness.measure.clock import first_calls
from harness.measure.protocol import Failure
from harness.measure.verify import verify
from harness.workload.oracle import reference
from harness.workload.workload import Workload
from tests.adapters.test_contract import EXECUTIONS, adapter_of
from tests.helpers.tiny import counts

SMALL = {"batch": 3, "tokens": 4, "width": 8, "heads": 2, "image": 8, "channels": 4, "entries": 9}
# A layer; one whose residual is its output; several outputs; a view; nothing to compute in backward; a loop.
OPS = ("linear", "conv2d", "tanh", "split", "flatten", "add", "lstm", "max_pool")
OBLONG = {"op": "conv2d", "shapes": [[2, 9, 6, 3], [4, 2, 3, 5]], "attrs": {"stride": 2, "padding": 1}}


@functools.cache
def work(op: str, gradients: Any = "params") -> Any:
    workload = Workload.of("op", OBLONG if op == "oblong" else SMALL | {"op": op}, gradients=gradients)
    arrays = workload.sample()
    return workload, arrays, reference(workload.graph, arrays)


def loaded(framework: str, execution: str, op: str, gradients: Any = "params", **chosen: Any) -> Any:
    workload, arrays, expected = work(op, gradients)
    adapter, choices = adapter_of(framework), Choices(**chosen)
    directions = workload.directions() if choices.tangent else {}
    program = adapter.load(workload.graph, arrays, execution, choices, directions)
    first_calls(adapter, program)
    verified = verify(program, workload, expected)
    return program, verified, counts(adapter, program, workload.graph, execution, choices)


SLOW = [pytest.param(*pair, marks=[pytest.mark.slow] * (pair[1] in ("compile", "xla"))) for pair in EXECUTIONS]


@pytest.mark.parametrize(("framework", "execution"), SLOW)
@pytest.mark.parametrize("op", [*OPS, "oblong"])
def test_outputs_and_gradients_are_the_oracles(framework: str, execution: str, op: str) -> None:
    chosen = {"kernels": "plain"} if (execution, op) == ("compile", "lstm") else {}  # torch has no others for it
    _, verified, _ = loaded(framework, execution, op, **chosen)
    assert verified.loss == pytest.approx(work(op)[2].loss, rel=1e-4)
    assert verified.loss_error < 1e-6


@pytest.mark.parametrize(("framework", "execution"), SLOW)
def test_a_layer_is_one_multiply_forward_and_one_for_each_side(framework: str, execution: str) -> None:
    _, _, counted = loaded(framework, execution, "linear", "both")
    assert {phase: count.matmuls for phase, count in counted.items()} == {
        **{"inference": 1, "forward": 1, "backward": 2, "gradient": 3},
        **{"forward_inputs": 1, "backward_inputs": 1, "forward_params": 1, "backward_params": 1},
    }


@pytest.mark.parametrize(("framework", "execution"), [pair for pair in SLOW if pair.values[0] != "numpy"])
def test_an_output_that_backward_needs_is_handed_over_and_not_copied(framework: str, execution: str) -> None:
    program, verified, _ = loaded(framework, execution, "tanh")
    assert verified.residual_bytes == 0
    if framework == "jax":
        assert program.forward()[1] == []


@pytest.mark.parametrize(("framework", "execution"), SLOW)
def test_rules_by_hand_start_from_the_cotangent_too(framework: str, execution: str) -> None:
    loaded(framework, execution, "linear", autodiff="by_hand")


@pytest.mark.parametrize(("framework", "execution"), [pair for pair in SLOW if pair.values[0] != "numpy"])
def test_a_tangent_is_that_of_every_output(framework: str, execution: str) -> None:
    loaded(framework, execution, "split", tangent=True)


class Spoilt:
    """NumPy's program of an op, where some phases answer something else."""

    def __init__(self, op: str, **changes: Any) -> None:
        workload, arrays, _ = work(op)
        self._program = Adapter("cpu", 1, "fp32").load(workload.graph, arrays, "by_hand")
        self._calls = {phase: change(self._program) for phase, change in changes.items()}
        self.phases = self._program.phases

    def __getattr__(self, name: str) -> Any:
        return self._calls[name] if name in self._calls else getattr(self._program, name)


def off_in_one_element(program: Any) -> Any:
    def inference() -> Any:
        (y,) = program.inference()
        y = np.array(y)
        y.flat[0] += 1e-3
        return (y,)

    return inference


def remembered(program: Any) -> Any:
    answer = program.gradient()
    return lambda: answer


@pytest.mark.parametrize(
    ("op", "changes", "words"),
    [
        ("linear", {"inference": off_in_one_element}, "the output is off by"),
        ("linear", {"gradient": remembered}, "gradient computes nothing when it is called again"),
        ("add", {"gradient": remembered}, "gradient computes nothing when it is called again"),
    ],
)
def test_what_is_wrong_is_refused(op: str, changes: dict[str, Callable[..., Any]], words: str) -> None:
    workload, _, expected = work(op)
    with pytest.raises(Failure, match=words):
        verify(Spoilt(op, **changes), workload, expected)
