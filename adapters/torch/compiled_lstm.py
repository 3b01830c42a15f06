"""The one op for which torch.compile fails on a CPU."""

from __future__ import annotations

from harness.workload.trace import Graph

from ..base import Unsupported


def check_compiled_lstm(graph: Graph) -> None:
    """Raise Unsupported where torch.compile fails for `torch.nn.LSTM` itself: oneDNN returns no workspace then."""
    alone = graph.side("params") if graph.gradients == "both" else graph  # then each side is a program too
    if any(call.op == "lstm" and call.inputs[0] not in alone.needs_gradient for call in graph.calls):
        raise Unsupported(
            "torch: torch.compile fails for oneDNN's LSTM where its input needs no gradient, torch.nn.LSTM too; "
            "choose gradients=inputs or choices.kernels=plain"
        )
