"""Counts the multiplies of a torch program: as they are dispatched, or in a compiled graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from harness.workload.cost import phase_work
from harness.workload.trace import Graph

from ..base import AFTER, Executed, Program

aten = torch.ops.aten

ELEMENTWISE = "Inductor computes multiplies of a single row or column elementwise; they are not counted."
RECOMPUTES = (
    "torch's fused attention computes q kᵀ again in the backward pass: five multiplies for attention, not four."
)
FIRST_STATE = "torch's fused LSTM also computes the gradient of its first state."

ZERO_TANGENT = "torch's forward mode also multiplies the tangent of an input that has none, which is zero."
KEEPS = "torch.compile keeps some results of a checkpointed part instead of computing them again."

DELETES = "torch.compile deletes what is recomputed beside a local gradient, or merges it with what is already there."


def _product(a: Tensor, b: Tensor) -> tuple[int, int]:
    return 1, 2 * a.numel() * (b.shape[-1] if b.dim() > 1 else 1)


def _convolution(out: Any, x: Tensor, w: Tensor, *rest: Any) -> tuple[int, int]:
    # One output element sums over a whole filter; taps that fall on padding count. Transposed, it is the input's.
    transposed = rest[4]
    return 1, 2 * (x if transposed else out).numel() * w[0].numel()


def _convolution_backward(out: Any, grad: Tensor, x: Tensor, w: Tensor, *rest: Any) -> tuple[int, int]:
    (dx, dw, _), transposed = rest[-1], rest[4]
    return dx + dw, (dx + dw) * 2 * (x if transposed else grad).numel() * w[0].numel()


def _attention(out: Any, q: Tensor, k: Tensor, *rest: Any) -> tuple[int, int]:
    return 2, 2 * 2 * q.numel() * k.shape[-2]


def _attention_backward(out: Any, grad: Tensor, q: Tensor, k: Tensor, *rest: Any) -> tuple[int, int]:
    return 5, 5 * 2 * q.numel() * k.shape[-2]


def _lstm(out: Any, x: Tensor, w: Tensor, u: Tensor, *rest: Any) -> tuple[int, int]:
    # x is [tokens, batch, inputs]. One product for all inputs, one for the state in each step.
    tokens, batch, _ = x.shape
    return 1 + tokens, 2 * tokens * batch * (w.numel() + u.numel())


def _lstm_backward(out: Any, x: Tensor, w: Tensor, u: Tensor, *rest: Any) -> tuple[int, int]:
    matmuls, flops = _lstm(out, x, w, u)
    return 2 * matmuls, 2 * flops


_FUSED_ATTENTION = (
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
)

# (matmuls, flops) from an op's output and arguments.
_COUNTS: dict[Any, Callable[..., tuple[int, int]]] = {
    aten.mm: lambda out, a, b, *_: _product(a, b),
    aten.bmm: lambda out, a, b, *_: _product(a, b),
    aten.mv: lambda out, a, b: _product(a, b),
    aten.addmm: lambda out, c, a, b, *_: _product(a, b),
    aten.baddbmm: lambda out, c, a, b, *_: _product(a, b),
    aten.addmv: lambda out, c, a, b, *_: _product(a, b),
    aten.convolution: _convolution,
    aten.convolution_backward: _convolution_backward,
    **{getattr(aten, name): _attention for name in _FUSED_ATTENTION},
    **{getattr(aten, f"{name}_backward"): _attention_backward for name in _FUSED_ATTENTION},
    aten.mkldnn_rnn_layer: _lstm,
    aten.mkldnn_rnn_layer_backward: _lstm_backward,
}


def _packet(op: Any) -> Any:
    return getattr(op, "overloadpacket", op)


class Tally:
    """A running count. Raises NotImplementedError for a multiply that it does not know, rather than skip it."""

    def __init__(self) -> None:
        self.matmuls = self.flops = self.seen = 0
        self.notes: set[str] = set()

    def add(self, op: Any, arguments: Sequence[Any], out: Any) -> None:
        packet = _packet(op)
        if packet in _COUNTS and packet in flop_registry:
            # As torch.utils.flop_counter.FlopCounterMode would, which cannot look into a compiled graph.
            self.seen += flop_registry[packet](*arguments, out_val=out)
        if packet in _COUNTS:
            matmuls, flops = _COUNTS[packet](out, *arguments)
            self.matmuls += matmuls
            self.flops += flops
            if _COUNTS[packet] is _attention_backward:
                self.notes.add(RECOMPUTES)
            if _COUNTS[packet] is _lstm_backward:
                self.notes.add(FIRST_STATE)
        elif packet in flop_registry:
            raise NotImplementedError(f"torch ran {packet}, a multiply that adapters/torch/counting.py does not count")

    def executed(self) -> Executed:
        return Executed(self.matmuls, self.flops, " ".join(sorted(self.notes)), self.seen)


class CountDispatched(TorchDispatchMode):
    """While active, counts the multiplies that torch dispatches, in backward too."""

    def __init__(self) -> None:
        super().__init__()
        self.tally = Tally()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.tally.add(func, args, out)
        return out


def count_phases(program: Program) -> dict[str, Executed]:
    """What each phase of an eager program dispatches."""
    counts = {phase: CountDispatched() for phase in program.phases}
    results: dict[str, Any] = {}
    for phase, count in counts.items():
        given = [results[AFTER[phase]]] if phase in AFTER else []
        with count:
            results[phase] = getattr(program, phase)(*given)
    return {phase: count.tally.executed() for phase, count in counts.items()}


def total(*parts: Executed) -> Executed:
    """Several programs that run one after the other."""
    notes = {note: None for part in parts for note in [part.note] if note}
    seen = sum(part.seen or 0 for part in parts)
    return Executed(sum(p.matmuls for p in parts), sum(p.flops for p in parts), " ".join(notes), seen)


def annotated(executed: dict[str, Executed], graph: Graph, residuals: str, autodiff: str) -> dict[str, Executed]:
    """The counts, with a note where one differs from what the trace and the choice lead to."""
    expected, noted = phase_work(graph, residuals, autodiff), dict(executed)
    for phase, found in executed.items():
        if phase == "tangent" and found.flops > expected[phase].flops:
            noted[phase] = replace(found, note=f"{found.note} {ZERO_TANGENT}".strip())
        elif residuals != "store" and found.flops < expected[phase].flops:
            noted[phase] = replace(found, note=f"{found.note} {KEEPS}".strip())
        elif autodiff == "by_hand_recomputed" and found.flops < expected[phase].flops:
            noted[phase] = replace(found, note=f"{found.note} {DELETES}".strip())
    return noted


def count_graph(graph: fx.Graph) -> Executed:
    """The multiplies of an AOT graph, whose nodes carry fake tensors."""
    tally = Tally()
    for node in graph.nodes:
        if node.op == "call_function":
            tally.add(node.target, fx.map_arg(node.args, lambda n: n.meta.get("val")), node.meta.get("val"))
            if _packet(node.target) is aten.mul and _packet(node.meta.get("original_aten")) in _COUNTS:
                tally.notes.add(ELEMENTWISE)
    return tally.executed()
