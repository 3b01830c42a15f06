"""Programs of small models, checked as the worker checks them before it times anything."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from adapters.base import Executed
from adapters.choices import Choices
from harness.measure.clock import first_calls
from harness.measure.protocol import Verified
from harness.measure.verify import verify
from harness.workload.oracle import Reference, reference
from harness.workload.workload import Workload
from tests.helpers.executions import adapter_of
from tests.helpers.small_models import small_model
from tests.helpers.tiny import counts


@functools.cache
def work(
    model: str, gradients: str = "params", precision: str = "fp32", frozen: str = ""
) -> tuple[Workload, dict[str, np.ndarray], Reference]:
    """The workload, its arrays and the oracle's answer."""
    workload = Workload(model, small_model(model), precision=precision, gradients=gradients, frozen=frozen)
    if precision != "fp32":
        return (workload, *work(model, gradients, frozen=frozen)[1:])
    arrays = workload.sample()
    return workload, arrays, reference(workload.graph, arrays)


def run(
    framework: str,
    execution: str,
    model: str,
    gradients: str = "params",
    precision: str = "fp32",
    frozen: str = "",
    **chosen: Any,
) -> tuple[Any, Verified, dict[str, Executed], set[str]]:
    """The program; what `verify` found; what each phase executes; and the phases where that is not what is asked.

    Each of those must be what the adapter's departures come to. Raises Failure if it is not, or if an answer is not
    the oracle's, and Unsupported.
    """
    workload, arrays, expected = work(model, gradients, precision, frozen)
    choices, adapter = Choices(**chosen), adapter_of(framework, precision=precision)
    directions = workload.directions() if choices.tangent else {}
    program = adapter.load(workload.graph, arrays, execution, choices, directions)
    assert first_calls(adapter, program).keys() == set(program.phases)
    verified = verify(program, workload, expected, choices.optimizer, choices.deterministic)
    executed = program.executed()
    assert list(executed) == list(program.phases)
    counted = counts(adapter, program, workload.graph, execution, choices)
    return program, verified, executed, {phase for phase, count in counted.items() if count.note}
