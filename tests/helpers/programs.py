"""What the tests of implementation choices share: small models, their programs, verified, and what those execute."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from adapters.base import Choices, Executed
from harness.measure.clock import first_calls
from harness.measure.protocol import Verified
from harness.measure.verify import verify
from harness.workload.oracle import Reference, reference
from harness.workload.workload import Workload
from tests.adapters.test_contract import EXECUTIONS, adapter_of
from tests.helpers.tiny import counts

LAYERS = 3
MODELS = {
    "mlp": ("mlp", {"batch": 4, "depth": LAYERS, "width": 16}),
    "one layer": ("mlp", {"batch": 4, "depth": 1, "width": 16}),
    "gpt2": ("gpt2", {"batch": 2, "tokens": 8, "layers": 1, "width": 16, "heads": 2, "vocabulary": 50, "context": 8}),
    "resnet18": ("resnet18", {"batch": 2, "image": 64, "classes": 10}),
    "unet": ("unet", {"batch": 1, "image": 32, "width": 4}),
    "lstm": ("lstm", {"batch": 3, "tokens": 4, "layers": 1, "width": 8, "vocabulary": 11}),
    "gru": ("gru", {"batch": 3, "tokens": 4, "layers": 1, "width": 8, "vocabulary": 11}),
}
FRAMEWORKS = [pair for pair in EXECUTIONS if pair[0] != "numpy"]
# The compilers that take seconds for a phase see an MLP alone.
QUICK = [pair for pair in FRAMEWORKS if pair[1] not in ("compile", "xla")]


@functools.cache
def work(model: str, gradients: str = "params") -> tuple[Workload, dict[str, np.ndarray], Reference]:
    """The workload, its arrays and the oracle's answer."""
    name, sizes = MODELS[model]
    workload = Workload.of(name, sizes, gradients=gradients)
    arrays = workload.sample()
    return workload, arrays, reference(workload.graph, arrays)


def run(
    framework: str, execution: str, model: str, gradients: str = "params", **chosen: Any
) -> tuple[Any, Verified, dict[str, Executed], set[str]]:
    """The program; what `verify` found; what each phase executes; and the phases where that is not what is asked.

    Each of those must be what the adapter's departures come to.
    """
    workload, arrays, expected = work(model, gradients)
    choices, adapter = Choices(**chosen), adapter_of(framework)
    directions = workload.directions() if choices.tangent else {}
    program = adapter.load(workload.graph, arrays, execution, choices, directions)
    assert first_calls(adapter, program).keys() == set(program.phases)
    verified = verify(program, workload, expected, choices.optimizer, choices.deterministic)
    executed = program.executed()
    assert list(executed) == list(program.phases)
    found = counts(adapter, program, workload.graph, execution, choices)
    return program, verified, executed, {phase for phase, count in found.items() if count.note}
