"""What is compared on either side, and the check that it is the same work."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.workload.trace import Graph

SAME_LOSS = 1e-3
SAME_NORM = 0.02


@dataclass(frozen=True)
class Side:
    """A workload in a library: its phases, as in `adapters/base.py`, and the library's name.

    `carried` says whether it has our arrays; else it has its own, of the same number.
    """

    package: str
    phases: Mapping[str, Callable[..., Any]]
    carried: bool = True


def leaves(value: Any) -> Iterator[np.ndarray]:
    """Every array in nested mappings and sequences."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, tuple | list):
        yield np.asarray(value)
        return
    for part in value:
        yield from leaves(part)


def differs(graph: Graph, ours: tuple[Any, Any], theirs: tuple[Any, Any], carried: bool, known: int) -> str:
    """In a sentence how two results (loss, gradients) are not the same work; empty if they are.

    `known` is how many more gradients' elements theirs has, for a known reason.
    """
    (our_loss, ours_), (their_loss, theirs_) = ((float(loss), list(leaves(g))) for loss, g in (ours, theirs))
    wanted, found = (sum(g.size for g in gradients) for gradients in (ours_, theirs_))
    if found != wanted + known:
        return f"gradients of {found} numbers, ours of {wanted}" + (f" and {known} more expected" if known else "")
    if not carried:
        return ""
    if not math.isclose(our_loss, their_loss, rel_tol=SAME_LOSS):
        return f"their loss is {their_loss:.6g}, ours {our_loss:.6g}"
    our_norm, their_norm = (math.sqrt(sum(float(np.vdot(g, g)) for g in side)) for side in (ours_, theirs_))
    if not known and not math.isclose(our_norm, their_norm, rel_tol=SAME_NORM):
        return f"their gradients' norm is {their_norm:.6g}, ours {our_norm:.6g}"
    return ""


def more_parameters(framework: str, graph: Graph) -> int:
    """Parameters that a library's recurrent layers have beside ours: torch's LSTM two biases, flax's GRU 4 of our 6."""
    lstm, gru = (sum(graph.specs[c.inputs[5]].size for c in graph.calls if c.op == op) for op in ("lstm", "gru"))
    return {"torch": lstm, "jax": -2 * gru // 3, "tensorflow": 0}[framework]
