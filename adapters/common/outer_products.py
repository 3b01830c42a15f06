"""XLA's departure: a product whose inner dimension is one sums up nothing, so it is elementwise and no multiply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.workload.backprop import wants
from harness.workload.cost import Parts
from harness.workload.expected import Departure
from harness.workload.ops import Work
from harness.workload.trace import Call, Graph

from .departures import LOOPS


@dataclass(frozen=True)
class _Product:
    """[batch, rows, inner] times [batch, inner, columns], `times` as often; whether a gradient flows to each factor."""

    left: bool
    right: bool
    batch: int
    rows: int
    inner: int
    columns: int
    times: int = 1

    @property
    def flops(self) -> int:
        return 2 * self.batch * self.rows * self.inner * self.columns


def _products(graph: Graph, call: Call) -> Sequence[_Product]:
    """The products of a call's forward pass, as far as one may be outer."""
    shapes = [graph.specs[n].shape for n in call.inputs]
    output, wanting = graph.specs[call.outputs[0]], wants(graph, call)
    if call.op in ("linear", "tied_linear"):
        columns = output.shape[-1]
        return [_Product(wanting[0], wanting[1], 1, output.size // columns, shapes[0][-1], columns)]
    if call.op == "conv2d" and _is_linear(shapes[1], **call.attrs):
        inner, columns = shapes[1][2:]
        return [_Product(wanting[0], wanting[1], 1, output.size // columns, inner, columns)]
    if call.op in ("lstm", "lstm_cell", "gru", "gru_cell"):
        w = 3 if call.op.startswith("lstm") else 2
        steps, (batch, width) = shapes[0][1] if call.op in LOOPS else 1, shapes[1]
        through = any(wanting) if call.op in LOOPS else wanting[1]
        return [
            _Product(wanting[0], wanting[w], 1, batch * steps, shapes[w][0], shapes[w][1]),
            _Product(through, wanting[w + 1], 1, batch, width, shapes[w + 1][1], steps),
        ]
    if call.op == "attention":
        batch, positions, width = shapes[0]
        heads = call.attrs["heads"]
        groups = call.attrs["kv_heads"] if call.attrs.get("kv_heads") else heads
        count, rows, d = batch * groups, heads // groups * positions, width // heads
        return [
            _Product(wanting[0], wanting[1], count, rows, d, positions),
            _Product(wanting[0] or wanting[1], wanting[2], count, rows, positions, d),
        ]
    return []


def _is_linear(kernel: tuple[int, ...], stride: int = 1, padding: int = 0, groups: int = 1) -> bool:
    """Whether a convolution is a multiply of pixels: XLA makes one of it."""
    return kernel[:2] == (1, 1) and padding == 0 and groups == 1


def _leave_out(graph: Graph, call: Call, parts: Parts) -> Parts:
    products = _products(graph, call)
    outer = [p for p in products if p.inner == 1]
    backward = [p for p in products if p.left and p.columns == 1] + [p for p in products if p.right and p.rows == 1]
    repeated = [p for p in products[: parts.again.matmuls] if p.inner == 1]
    return replace(
        parts,
        forward=_without(parts.forward, outer),
        backward=_without(parts.backward, backward),
        tangent=_without(parts.tangent, [p for p in outer for _ in range(1 + p.left + p.right)]),
        again=_without(parts.again, repeated),
    )


def _without(work: Work, outer: Iterable[_Product]) -> Work:
    outer = list(outer)
    return replace(
        work,
        matmuls=work.matmuls - sum(p.times for p in outer),
        flops=work.flops - sum(p.times * p.flops for p in outer),
    )


OUTER = Departure("XLA computes a product whose inner dimension is one element by element.", _leave_out)
