"""Checks every phase of a program of several replicas against the oracle of the whole batch, in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from adapters.replicated import Replicated
from harness.workload.agreement import Agreement, agreement
from harness.workload.oracle import Reference

from .protocol import Failure, Outcome, Verified

Gradients = Mapping[str, np.ndarray]
Call = Callable[[], tuple[Any, Mapping[str, Any]]]


def verify_replicas(program: Replicated, precision: str, expected: Reference) -> Verified:
    """Check two calls of every phase: the mean of the replicas' losses, and the gradients.

    From a backward pass with the reduction, each replica must have the oracle's gradients; from one without it, they
    must have them in the mean, and not one by one.

    Returns the largest errors over all phases, calls and replicas. Raises Failure: an error exceeds its limit, a second
    call returns the result of the first, or the pass without the reduction reduces.
    """

    def pair(forward: str, backward: str) -> tuple[Any, Mapping[str, Any]]:
        kept = getattr(program, forward)()
        return kept[0], getattr(program, backward)(kept)

    residual_bytes = program.residual_bytes(program.forward())
    inferred, _ = _twice(program, "inference", lambda: (program.inference(), {}))
    reduced: dict[str, Call] = {"backward": lambda: pair("forward", "backward"), "gradient": program.gradient}
    agreements = []
    for phase, call in reduced.items():
        losses, found = _twice(program, phase, call)
        agreements.append(agreement([*inferred, *losses], [own for each in found for own in each], expected))
        _require(agreements[-1], precision, phase)
    losses, found = _twice(program, "backward_local", lambda: pair("forward_local", "backward_local"))
    agreements.append(agreement(losses, list(map(_mean, found)), expected))
    _require(agreements[-1], precision, "backward_local")
    alone = [agreement(losses, [own], expected) for each in found for own in each]
    if any(errors.failure(precision) is None for errors in alone):
        raise Failure(
            Outcome.INVALID, "backward_local reduces: a replica has the whole batch's gradients, not those of its part"
        )
    return Verified(
        loss=losses[-1],
        loss_error=max(errors.loss for errors in agreements),
        gradient_errors={
            name: max(errors.gradients.get(name, 0.0) for errors in agreements) for name in expected.gradients
        },
        residual_bytes=residual_bytes,
    )


def _twice(program: Replicated, phase: str, call: Call) -> tuple[list[float], list[list[Gradients]]]:
    """Call twice. Returns the mean loss of each call, and each replica's gradients by call.

    A program that overwrites its results has the first ones spoilt. Raises Failure if the second call returns the
    first's, and where a replica is missing.
    """
    losses, found, results = [], [], []
    for _ in range(2):
        loss, gradients = call()
        own = program.losses(loss)
        each: list[Gradients] = [*program.export_each(gradients)] if gradients else []
        if len(own) != program.replicas or len(each) not in (0, program.replicas):
            raise Failure(Outcome.ERROR, f"{phase} answers for {len(own)} replicas, not for {program.replicas}")
        losses.append(float(np.mean(own)))
        found.append(each)
        results.append((loss, gradients))
        program.spoil((loss, gradients))
    (loss, gradients), (loss_again, gradients_again) = results
    again = {id(array) for array in _arrays((loss_again, gradients_again))}
    if any(id(array) in again for array in _arrays((loss, gradients))):
        raise Failure(
            Outcome.INVALID, f"{phase} computes nothing when it is called again: its answer is the earlier one"
        )
    return losses, found


def _arrays(result: Any) -> Iterator[Any]:
    """The arrays in what phases returned: in mappings, lists and tuples."""
    if isinstance(result, Mapping):
        result = list(result.values())
    if not isinstance(result, list | tuple):
        yield result
        return
    for part in result:
        yield from _arrays(part)


def _mean(each: Sequence[Gradients]) -> Gradients:
    """The mean of the replicas' gradients, by name."""
    return {name: np.asarray(np.mean([own[name] for own in each], axis=0, dtype=np.float64)) for name in each[0]}


def _require(errors: Agreement, precision: str, phase: str) -> None:
    """Raise Failure if a loss or gradient is off."""
    if reason := errors.failure(precision):
        raise Failure(Outcome.INVALID, f"{phase}: {reason}")
