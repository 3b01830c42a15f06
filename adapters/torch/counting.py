"""Counts the multiplies of a torch program: as they are dispatched, or in a compiled graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx
from torch._prims.rng_prims import run_and_save_rng_state, run_with_rng_state
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ..base import AFTER, Executed, Program

aten = torch.ops.aten


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


def multiplies(op: Any) -> bool:
    """Whether an op is one of the multiplies that are counted."""
    return _packet(op) in _COUNTS


class Tally:
    """A running count. Raises ValueError for a multiply that it does not know, rather than skip it."""

    def __init__(self) -> None:
        self.matmuls = self.flops = self.seen = 0

    def add(self, op: Any, arguments: Sequence[Any], out: Any) -> None:
        packet = _packet(op)
        if packet in _COUNTS and packet in flop_registry:
            # As torch.utils.flop_counter.FlopCounterMode would, which cannot look into a compiled graph.
            self.seen += flop_registry[packet](*arguments, out_val=out)
        if packet in _COUNTS:
            matmuls, flops = _COUNTS[packet](out, *arguments)
            self.matmuls += matmuls
            self.flops += flops
        elif packet in flop_registry:
            raise ValueError(f"torch ran {packet}, a multiply that adapters/torch/counting.py does not count")

    def executed(self) -> Executed:
        return Executed(self.matmuls, self.flops, self.seen)


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
    recomputed = [part.recomputed or (0, 0) for part in parts]
    return Executed(
        sum(part.matmuls for part in parts),
        sum(part.flops for part in parts),
        sum(part.seen or 0 for part in parts),
        (sum(matmuls for matmuls, _ in recomputed), sum(flops for _, flops in recomputed)),
    )


def count_graph(graph: fx.Graph) -> Executed:
    """The multiplies of an AOT graph, whose nodes carry fake tensors; in a backward graph, how many are recomputed."""
    tally, recomputed = Tally(), Tally()
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        op, arguments, out = _called(node)
        again = _is_recomputed(node)
        if _is_elementwise(node):
            if not again:  # an elementwise operation is repeated where that saves memory, asked or not
                tally.matmuls += 1
                tally.flops += 2 * out.numel()
            continue
        for each in (tally, recomputed) if again else (tally,):
            each.add(op, arguments, out)
    return replace(tally.executed(), recomputed=(recomputed.matmuls, recomputed.flops))


def _called(node: fx.Node) -> tuple[Any, Sequence[Any], Any]:
    """The op of a node, its arguments and result: of a random one in a checkpoint, what is inside its wrapper."""
    arguments, out = fx.map_arg(node.args, lambda n: n.meta.get("val")), node.meta.get("val")
    if node.target is run_and_save_rng_state:
        return arguments[0], arguments[1:], out[1]
    if node.target is run_with_rng_state:
        return arguments[1], arguments[2:], out
    return node.target, arguments, out


def _is_recomputed(node: fx.Node) -> bool:
    """Whether a node of a backward graph belongs to forward, which autograd's partition runs once more."""
    return node.target is run_with_rng_state or (
        node.meta.get("partitioner_tag") == "is_forward" and node.meta.get("autograd_backward", False)
    )


def _is_elementwise(node: fx.Node) -> bool:
    """Whether a product of arrays is what inductor has made of a small multiply: it has as many multiply-adds."""
    of_multiply = _packet(node.target) is aten.mul and _packet(node.meta.get("original_aten")) in _COUNTS
    return of_multiply and all(isinstance(argument, fx.Node) for argument in node.args)
