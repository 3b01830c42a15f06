"""Why an executed program may run other multiplies than its trace and choices lead to: a sentence for each reason.

What a single framework does stands beside its own counter; here is what compilers share, and what a model asks for.
"""

from __future__ import annotations

from dataclasses import replace

from harness.workload.cost import phase_work
from harness.workload.trace import Graph

from .base import DEFAULT, Choices, Executed

_ALL_PAIRS = "XLA on a CPU computes a grouped convolution's dW for all pairs of channels and keeps those of a group."
_ELEMENTWISE = "XLA computes a product with a dimension of one element by element."
_FIRST_STATE = "A loop's every step is alike: the first one too computes the gradient of the state before it."
_MERGED = "The compiler merges what a checkpoint recomputes with what is there: forward and backward are one program."
_DELETED = "The compiler deletes what is recomputed beside a local gradient, or merges it with what is already there."


def annotated(
    counted: dict[str, Executed], graph: Graph, choices: Choices = DEFAULT, otherwise: str = _ELEMENTWISE
) -> dict[str, Executed]:
    """The counts of a model's phases, with a note where they differ from the trace's for a known reason.

    `otherwise` says why there may be fewer multiplies where no choice explains it.
    """
    expected = phase_work(graph, choices.residuals, choices.autodiff)
    noted = {}
    for phase, found in counted.items():
        reasons = []
        if found.matmuls < expected[phase].matmuls:
            reasons.append(fewer(phase, counted, choices, otherwise))
        if found.flops > expected[phase].flops and has_groups(graph):
            reasons.append(_ALL_PAIRS)
        if found.flops > expected[phase].flops and has_loops(graph):
            reasons.append(_FIRST_STATE)
        noted[phase] = replace(found, note=" ".join(reasons))
    return noted


def fewer(phase: str, counted: dict[str, Executed], choices: Choices, otherwise: str = _ELEMENTWISE) -> str:
    """Why a compiler executes fewer multiplies than a choice asks for; `otherwise` where no choice is the reason."""
    if choices.residuals != "store" and phase == "gradient":
        apart = counted["forward"].matmuls + counted["backward"].matmuls
        if counted[phase].matmuls < apart:
            return _MERGED
    return _DELETED if choices.autodiff == "by_hand_recomputed" else otherwise


def has_groups(graph: Graph, depthwise: bool = True) -> bool:
    """Whether the model has a grouped convolution; depthwise ones, of one channel a group, count only if asked."""
    return any(
        call.op == "conv2d"
        and (groups := call.attrs.get("groups", 1)) > 1
        and (depthwise or groups < graph.specs[call.inputs[0]].shape[-1])
        for call in graph.calls
    )


def has_loops(graph: Graph) -> bool:
    """Whether the model has an op that runs a loop over a sequence."""
    return any(call.op in ("lstm", "gru") for call in graph.calls)
