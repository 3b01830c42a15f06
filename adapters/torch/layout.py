"""Canonical NumPy arrays to torch's layout and back: the one place that knows both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from harness.workload.ops import CATALOGUE
from harness.workload.trace import Graph

from ..base import Unsupported
from .mixed import wide

Axes = tuple[int, ...]

# Where torch keeps the canonical axes. In memory, an image [N, C, H, W] may be NHWC still: its memory format says so.
IMAGE: Axes = (0, 3, 1, 2)
MATRIX: dict[int, Axes] = {2: (1, 0), 4: (3, 2, 0, 1)}  # by the number of axes: [in, out], or [kh, kw, in, out]


def axes_of(graph: Graph) -> dict[str, Axes]:
    """The canonical axes of every named array, in torch's order.

    Raises Unsupported where an array is a weight that another op wants in another layout, or is computed.
    """
    named = {name: number for group in (graph.inputs, graph.params) for name, number in group.items()}
    for call in graph.calls:
        if any(call.inputs[position] not in named.values() for position in CATALOGUE[call.op].matrices):
            raise Unsupported(f"torch: the weight of {call.op} must be a parameter or an input, not a computed value")
    return {name: _axes(graph, name, number) for name, number in named.items()}


def _axes(graph: Graph, name: str, number: int) -> Axes:
    spec, uses = graph.specs[number], set(graph.uses(number))
    natural = IMAGE if len(spec.shape) == 4 and spec.kind != "int" else tuple(range(len(spec.shape)))
    wanted = {MATRIX[len(spec.shape)] if position in CATALOGUE[op].matrices else natural for op, position in uses} or {
        natural
    }
    if len(wanted) > 1:
        raise Unsupported(f"torch: {name} is used by {sorted(uses)}, which want it in different layouts")
    return wanted.pop()


def place(
    array: np.ndarray, axes: Axes, device: torch.device, dtype: torch.dtype, image_format: torch.memory_format
) -> Tensor:
    """A canonical array on the device: numbers as `dtype`, integers as int64, which torch's losses ask for.

    Rank-4 arrays, which are images and convolution weights, are stored in `image_format`.
    """
    dtype = {"f": dtype, "b": torch.bool}.get(array.dtype.kind, torch.int64)
    # A copy into torch's own memory: it is aligned for vector instructions, NumPy's need not be.
    tensor = torch.tensor(np.ascontiguousarray(array.transpose(axes)), dtype=dtype, device=device)
    return tensor.contiguous(memory_format=image_format) if tensor.dim() == 4 else tensor


def canonical(tensor: Tensor, axes: Axes) -> Tensor:
    """A view with canonical axes of what `place` placed."""
    return tensor.permute(*np.argsort(axes).tolist()) if axes else tensor


def export(tensors: Mapping[str, Tensor], axes: Mapping[str, Axes]) -> dict[str, np.ndarray]:
    """The inverse of `place`, as float32 or float64."""
    return {
        name: np.ascontiguousarray(wide(tensor.detach()).cpu().numpy().transpose(np.argsort(axes[name])))
        for name, tensor in tensors.items()
    }
