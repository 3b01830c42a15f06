"""Every phase of a program against the oracle, before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from adapters.base import Program
from harness.workload.agreement import WHOLE_LIMIT, Agreement, agreement
from harness.workload.optimizer import step_error
from harness.workload.reference import Reference
from harness.workload.workload import Workload

from .protocol import Failure, Outcome


def verify(program: Program, workload: Workload, expected: Reference, optimizer: str = "none") -> dict[str, Any]:
    """Errors of loss and gradients, the worst of all phases. Raises Failure where one is outside its limit."""
    inferred, kept = program.inference(), program.forward()
    residual_bytes = program.residual_bytes(kept)
    split = program.export(program.backward(kept))
    loss, fused = program.gradient()
    losses = [float(inferred), float(kept[0]), float(loss)]
    found = [agreement(losses, [split, program.export(fused)], expected)]
    found += [_one_side(program, workload, expected, side) for side in ("inputs", "params") if _has(program, side)]
    for each in found:
        _require(each.failure(workload.precision))
    if "tangent" in program.phases:
        _require(_tangent(program, workload, expected))
    if "update" in program.phases:
        _require(_update(program, workload.precision, optimizer))
    return {
        "loss": losses[-1],
        "loss_error": max(each.loss for each in found),
        "gradient_errors": {name: max(each.gradients.get(name, 0.0) for each in found) for name in expected.gradients},
        "residual_bytes": residual_bytes,
    }


def _require(reason: str | None) -> None:
    if reason:
        raise Failure(Outcome.INVALID, reason)


def _has(program: Program, side: str) -> bool:
    return f"backward_{side}" in program.phases


def _one_side(program: Any, workload: Workload, expected: Reference, side: str) -> Agreement:
    kept = getattr(program, f"forward_{side}")()
    gradients = program.export(getattr(program, f"backward_{side}")(kept))
    return agreement([float(kept[0])], [gradients], expected.of(workload.graph.side(side).sources))


def _tangent(program: Any, workload: Workload, expected: Reference) -> str | None:
    """The derivative along the directions, against the oracle's gradient times them."""
    _, derivative = program.tangent()
    error = abs(float(derivative) - expected.along(workload.directions())) / expected.norm
    limit = WHOLE_LIMIT[workload.precision]
    return None if error <= limit else f"the tangent is off by {error:.2g} of the gradient's norm; {limit:g} is allowed"


def _update(program: Any, precision: str, optimizer: str) -> str | None:
    """One more step from where the last one ended, with the same gradients."""

    def step() -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
        pair = program.gradient()
        gradients = {name: array.copy() for name, array in program.export(pair[1]).items()}
        # Copies: an export may be a view of parameters that the next step changes in place.
        return {name: array.copy() for name, array in program.export(program.update(pair)).items()}, gradients

    (before, _), (after, gradients) = step(), step()
    error = step_error(optimizer, before, after, gradients)
    limit = WHOLE_LIMIT[precision]
    return (
        None if error <= limit else f"a step of {optimizer} is off by {error:.2g} of its length; {limit:g} is allowed"
    )
