"""An op alone in every framework: backward starts from a cotangent that is given, and no loss is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adapters.numpy import Adapter
from harness.measure.protocol import Failure
from harness.measure.verify import verify
from tests.helpers.executions import EXECUTIONS
from tests.helpers.programs import run, work


def test_in_place_of_a_loss_stands_the_product_of_outputs_and_cotangents() -> None:
    _, verified, _, _ = run("numpy", "by_hand", "only split")
    assert verified.loss == pytest.approx(work("only split")[2].loss, rel=1e-4)


SLOW = [pytest.param(*pair, marks=[pytest.mark.slow] * (pair[1] in ("compile", "xla"))) for pair in EXECUTIONS]


@pytest.mark.parametrize(("framework", "execution"), SLOW)
def test_a_layer_is_one_multiply_forward_and_one_for_each_side(framework: str, execution: str) -> None:
    _, _, executed, differing = run(framework, execution, "only linear", "both")
    assert not differing
    assert {phase: count.matmuls for phase, count in executed.items()} == {
        **{"inference": 1, "forward": 1, "backward": 2, "gradient": 3},
        **{"forward_inputs": 1, "backward_inputs": 1, "forward_params": 1, "backward_params": 1},
    }


@pytest.mark.parametrize(("framework", "execution"), [pair for pair in SLOW if pair.values[0] != "numpy"])
def test_an_output_that_backward_needs_is_handed_over_and_not_copied(framework: str, execution: str) -> None:
    program, verified, _, _ = run(framework, execution, "only tanh")
    assert verified.residual_bytes == 0
    if framework == "jax":
        assert program.forward()[1] == []


class Spoilt:
    """NumPy's program of an op, where some phases answer something else."""

    def __init__(self, op: str, **changes: Any) -> None:
        workload, arrays, _ = work(f"only {op}")
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
    workload, _, expected = work(f"only {op}")
    with pytest.raises(Failure, match=words):
        verify(Spoilt(op, **changes), workload, expected)
