"""Checks every phase of a program against the oracle, before anything is timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from adapters.base import Program
from harness.workload.agreement import WHOLE_LIMIT, Agreement, agreement
from harness.workload.any_workload import AnyWorkload
from harness.workload.optimizer import step_error
from harness.workload.oracle import Reference, projected

from .protocol import Failure, Outcome, Verified


def verify(
    program: Program, workload: AnyWorkload, expected: Reference, optimizer: str = "none", deterministic: bool = False
) -> Verified:
    """Check two calls of every phase against the oracle.

    Args:
        program: the loaded program.
        workload: the workload that it computes.
        expected: the oracle's loss and gradients.
        optimizer: the optimizer whose step is checked, if the program has the phase `update`.
        deterministic: whether both calls of a phase must give the same bits.

    Returns:
        The largest errors over all phases and calls.

    Raises:
        Failure: an error exceeds its limit, a second call returns the result of the first instead of computing, or two
            calls differ in a bit although `deterministic` is set.
    """
    residual_bytes = program.residual_bytes(program.forward())
    cotangents = workload.cotangents()
    inferred = _twice(program, cotangents, "inference", "", lambda: (program.inference(), {}))
    split = _pair(program, cotangents)
    fused = _twice(program, cotangents, "gradient", "gradient", program.gradient)
    results = [*inferred.results, *split.results, *fused.results]
    agreements = [agreement(results, [*split.gradients, *fused.gradients], expected)]
    agreements += [_one_side(program, workload, expected, side) for side in ("inputs", "params") if _has(program, side)]
    for errors in agreements:
        _require_none(errors.failure(workload.precision))
    if deterministic:
        for phase, calls in (("backward", split), ("gradient", fused)):
            _require_none(_other_bits(phase, calls))
    if "tangent" in program.phases:
        _require_none(_tangent(program, workload, expected))
    if "update" in program.phases:
        _require_none(_update(program, workload.precision, optimizer))
    return Verified(
        loss=_loss(results[-1], cotangents),
        loss_error=max(errors.loss for errors in agreements),
        gradient_errors={
            name: max(errors.gradients.get(name, 0.0) for errors in agreements) for name in expected.gradients
        },
        residual_bytes=residual_bytes,
    )


Arrays = Mapping[str, np.ndarray]


class _Results(NamedTuple):
    """The losses (of a graph without one, the outputs) and gradients that several calls returned."""

    results: list[float | Arrays]
    gradients: list[Arrays]


def _twice(
    program: Program,
    cotangents: Arrays,
    forward: str,
    backward: str,
    call: Callable[[], tuple[Any, Mapping[str, Any]]],
) -> _Results:
    """Call twice, for the result of phase `forward` and the gradients of phase `backward`.

    Raises Failure if the second call returns an array of the first, or one that shares its memory, unless it is a part
    of a cotangent: nothing has to be computed then. The first result is held until then, so that no new array can
    reuse its memory. A program that reuses it by design has its first result spoilt instead: if the second call
    computes nothing, that is what it returns.
    """
    result, gradients = call()
    answer, exported = _exported(program, result, cotangents), program.export(gradients)
    if not program.repeatable:
        answer, exported = _copied(answer), _copied(exported)
        program.spoil((result, gradients))
        result_again, gradients_again = call()
        return _Results(
            [answer, _exported(program, result_again, cotangents)], [exported, program.export(gradients_again)]
        )
    result_again, gradients_again = call()
    exported_again = program.export(gradients_again)
    if any(one is other for one, other in zip(_flat(result), _flat(result_again), strict=True)):
        _require_none(f"{forward} computes nothing when it is called again: its answer is the earlier one")
    for name in gradients.keys() & gradients_again.keys():
        shared = gradients[name] is gradients_again[name] or np.may_share_memory(exported[name], exported_again[name])
        if shared and not _is_part(exported[name], cotangents):
            _require_none(f"{backward} computes nothing when it is called again: its answer is the earlier one")
    return _Results([answer, _exported(program, result_again, cotangents)], [exported, exported_again])


def _flat(result: Any) -> tuple[Any, ...]:
    """The result of a call as a tuple: its loss alone, or its outputs."""
    return result if isinstance(result, tuple) else (result,)


def _copied(exported: Any) -> Any:
    """A loss as it is, or copies of arrays, which later calls do not change."""
    return {name: array.copy() for name, array in exported.items()} if isinstance(exported, Mapping) else exported


def _is_part(gradient: np.ndarray, cotangents: Arrays) -> bool:
    """Whether every number of a gradient stands in a cotangent, as it is or in bf16, so that it may be a view of it."""
    return any(np.isin(gradient, [array, _in_bf16(array)]).all() for array in cotangents.values())


def _in_bf16(array: np.ndarray) -> np.ndarray:
    """Float32 numbers rounded to the nearest that bf16 has, ties to even."""
    bits = array.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def _exported(program: Program, result: Any, cotangents: Arrays) -> float | Arrays:
    """A loss as a number; outputs as arrays, by the names of their cotangents, whose layout they share."""
    return program.export(dict(zip(cotangents, result, strict=True))) if cotangents else float(result)


def _loss(result: float | Arrays, cotangents: Arrays) -> float:
    """A loss as it is; of outputs the sum of their products with the cotangents."""
    return projected(result, cotangents) if isinstance(result, Mapping) else result


def _pair(program: Program, cotangents: Arrays, side: str = "") -> _Results:
    """Call forward and backward twice, or the two phases for the gradients of one side."""
    forward, backward = (f"{phase}_{side}" if side else phase for phase in ("forward", "backward"))

    def call() -> tuple[Any, Mapping[str, Any]]:
        residuals = getattr(program, forward)()
        return residuals[0], getattr(program, backward)(residuals)

    return _twice(program, cotangents, forward, backward, call)


def _other_bits(phase: str, results: _Results) -> str | None:
    """Name a gradient that is not the same in two calls, bit by bit. Returns what is wrong."""
    first, again = results.gradients
    names = [name for name, array in first.items() if array.tobytes() != again[name].tobytes()]
    return f"{phase} is not deterministic: the gradient of {names[0]} differs between two calls" if names else None


def _require_none(reason: str | None) -> None:
    """Raise Failure if there is a reason why the program is invalid."""
    if reason:
        raise Failure(Outcome.INVALID, reason)


def _has(program: Program, side: str) -> bool:
    """Return True if the program computes the gradients of one side apart."""
    return f"backward_{side}" in program.phases


def _one_side(program: Program, workload: AnyWorkload, expected: Reference, side: str) -> Agreement:
    """Compare the gradients of one side, computed apart, with the oracle."""
    assert workload.graph is not None  # without a trace there is nothing to take one side of
    results = _pair(program, workload.cotangents(), side)
    return agreement(*results, expected.of(workload.graph.side(side).sources))


def _tangent(program: Program, workload: AnyWorkload, expected: Reference) -> str | None:
    """Check the derivative along the directions against the oracle's gradient times them. Returns what is wrong."""
    cotangents = workload.cotangents()
    tangents = _twice(program, cotangents, "tangent", "", lambda: (program.tangent()[1], {})).results
    derivatives = [_loss(tangent, cotangents) for tangent in tangents]
    error = float(np.abs(np.subtract(derivatives, expected.along(workload.directions()))).max()) / expected.norm
    limit = WHOLE_LIMIT[workload.precision]
    return None if error <= limit else f"the tangent is off by {error:.2g} of the gradient's norm; {limit:g} is allowed"


def _update(program: Program, precision: str, optimizer: str) -> str | None:
    """Check one optimizer step, taken from where the step before it ended. Returns what is wrong."""

    def step() -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
        loss_and_gradients = program.gradient()
        # Copies: an export may be a view of parameters that the next step changes in place.
        gradients = {name: array.copy() for name, array in program.export(loss_and_gradients[1]).items()}
        parameters = program.export(program.update(loss_and_gradients))
        return {name: array.copy() for name, array in parameters.items()}, gradients

    (before, _), (after, gradients) = step(), step()
    error = step_error(optimizer, before, after, gradients)
    # In mixed precision it steps by and on float32; Adam's epsilon may come before or after its bias is taken out.
    as_in_float32 = precision == "bf16_mixed" or (precision, optimizer) == ("fp64", "adam")
    limit = WHOLE_LIMIT["fp32" if as_in_float32 else precision]
    return (
        None if error <= limit else f"a step of {optimizer} is off by {error:.2g} of its length; {limit:g} is allowed"
    )
