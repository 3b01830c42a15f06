"""NumPy's program of one network, with phases that answer something else than they should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapters.numpy import Adapter
from harness.measure.protocol import Failure
from harness.measure.verify import verify
from harness.workload.oracle import Reference
from harness.workload.workload import Workload

Change = Callable[[Any], Callable[..., Any]]  # makes another call of a phase, given the right program
Changes = dict[str, Change]

WORKLOAD = Workload.of("mlp", {"batch": 4, "depth": 3, "width": 8}, gradients="both")

LOSSES = ("inference", "forward", "gradient", "forward_inputs", "forward_params")
GRADIENTS = ("backward", "gradient", "backward_inputs", "backward_params")
SOURCES = WORKLOAD.graph.sources
SOURCES_OF = dict.fromkeys(GRADIENTS, SOURCES) | {
    f"backward_{side}": WORKLOAD.graph.side(side).sources for side in ("inputs", "params")
}


class Spoilt:
    """NumPy's program, where some phases answer something else: `changes` has a call for each, made of the program."""

    def __init__(self, **changes: Change) -> None:
        self._program = Adapter("cpu", 1, "fp32").load(WORKLOAD.graph, WORKLOAD.sample(), "by_hand")
        self._calls = {phase: change(self._program) for phase, change in changes.items()}
        self.phases = tuple(dict.fromkeys((*self._program.phases, *changes)))

    def __getattr__(self, name: str) -> Any:
        return self._calls[name] if name in self._calls else getattr(self._program, name)


def judge(program: Any, expected: Reference, words: str = "") -> Any:
    """Verified if there are no words; else refused, and with these."""
    if not words:
        return verify(program, WORKLOAD, expected, "sgd")
    with pytest.raises(Failure, match=words) as refusal:
        verify(program, WORKLOAD, expected, "sgd")
    assert refusal.value.outcome == "invalid"
    return None


def off_loss(phase: str, factor: float) -> Changes:
    """The phase with another loss, and the same gradients or residuals."""

    def change(program: Any) -> Callable[..., Any]:
        def call() -> Any:
            answer = getattr(program, phase)()
            return factor * answer if phase == "inference" else (factor * answer[0], answer[1])

        return call

    return {phase: change}


def off_gradient(phase: str, source: str, factor: float) -> Changes:
    """The phase with another gradient of one source, and the same loss."""

    def changed(gradients: dict[str, Any]) -> dict[str, Any]:
        return {name: factor * array if name == source else array for name, array in gradients.items()}

    def change(program: Any) -> Callable[..., Any]:
        call = getattr(program, phase)
        if phase != "gradient":
            return lambda kept: changed(call(kept))
        return lambda: (lambda loss, gradients: (loss, changed(gradients)))(*call())

    return {phase: change}


def in_second_call(changed: Changes) -> Changes:
    """As a program that goes wrong after its first call."""

    def change(phase: str, spoil: Change) -> Change:
        def made(program: Any) -> Callable[..., Any]:
            right, wrong = getattr(program, phase), spoil(program)
            calls: list[str] = []

            def call(*given: Any) -> Any:
                calls.append(phase)
                return (wrong if len(calls) > 1 else right)(*given)

            return call

        return made

    return {phase: change(phase, spoil) for phase, spoil in changed.items()}
