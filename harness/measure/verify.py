"""Every phase of a program against the oracle, before anything is timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from adapters.base import Program
from harness.workload.agreement import WHOLE_LIMIT, Agreement, agreement
from harness.workload.optimizer import step_error
from harness.workload.oracle import Reference
from harness.workload.workload import Workload

from .protocol import Failure, Outcome, Verified


def verify(program: Program, workload: Workload, expected: Reference, optimizer: str = "none") -> Verified:
    """Errors of loss and gradients, the worst of two calls of every phase.

    Raises Failure where one is outside its limit, and where a second call hands out what the first one computed.
    """
    residual_bytes = program.residual_bytes(program.forward())
    inferred = _twice(program, "inference", "", lambda: (program.inference(), {}))
    split = _pair(program)
    fused = _twice(program, "gradient", "gradient", program.gradient)
    losses = [*inferred.losses, *split.losses, *fused.losses]
    found = [agreement(losses, [*split.gradients, *fused.gradients], expected)]
    found += [_one_side(program, workload, expected, side) for side in ("inputs", "params") if _has(program, side)]
    for each in found:
        _require(each.failure(workload.precision))
    if "tangent" in program.phases:
        _require(_tangent(program, workload, expected))
    if "update" in program.phases:
        _require(_update(program, workload.precision, optimizer))
    return Verified(
        loss=losses[-1],
        loss_error=max(each.loss for each in found),
        gradient_errors={name: max(each.gradients.get(name, 0.0) for each in found) for name in expected.gradients},
        residual_bytes=residual_bytes,
    )


class Answers(NamedTuple):
    """Of several calls."""

    losses: list[float]
    gradients: list[Mapping[str, np.ndarray]]


def _twice(program: Program, forward: str, backward: str, call: Callable[[], tuple[Any, Mapping[str, Any]]]) -> Answers:
    """What two calls answer: the loss of phase `forward`, the gradients of phase `backward`.

    Raises Failure where the second call hands out an array of the first, or one in its memory. The first answer is
    held until then, so that no new array can take its place.
    """
    (first, one), (second, two) = call(), call()
    gradients, again = program.export(one), program.export(two)
    if first is second:
        _require(f"{forward} computes nothing when it is called again: its answer is the earlier one")
    for name in one.keys() & two.keys():
        if one[name] is two[name] or np.may_share_memory(gradients[name], again[name]):
            _require(f"{backward} computes nothing when it is called again: its answer is the earlier one")
    return Answers([float(first), float(second)], [gradients, again])


def _pair(program: Program, side: str = "") -> Answers:
    """Of forward and backward, or of the pair for one side's gradients."""
    forward, backward = (f"{phase}_{side}" if side else phase for phase in ("forward", "backward"))

    def call() -> tuple[Any, Mapping[str, Any]]:
        kept = getattr(program, forward)()
        return kept[0], getattr(program, backward)(kept)

    return _twice(program, forward, backward, call)


def _require(reason: str | None) -> None:
    if reason:
        raise Failure(Outcome.INVALID, reason)


def _has(program: Program, side: str) -> bool:
    return f"backward_{side}" in program.phases


def _one_side(program: Program, workload: Workload, expected: Reference, side: str) -> Agreement:
    return agreement(*_pair(program, side), expected.of(workload.graph.side(side).sources))


def _tangent(program: Program, workload: Workload, expected: Reference) -> str | None:
    """The derivative along the directions, against the oracle's gradient times them."""
    derivatives = _twice(program, "tangent", "", lambda: (program.tangent()[1], {})).losses
    error = float(np.abs(np.subtract(derivatives, expected.along(workload.directions()))).max()) / expected.norm
    limit = WHOLE_LIMIT[workload.precision]
    return None if error <= limit else f"the tangent is off by {error:.2g} of the gradient's norm; {limit:g} is allowed"


def _update(program: Program, precision: str, optimizer: str) -> str | None:
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
