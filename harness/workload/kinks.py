"""Moves biases a little, so that rounding never decides on which side of a rectifier's corner an input lies.

At the corner the slope jumps. Of a million inputs, some lie within float32's rounding of it, and each that a framework
finds on the other side than the oracle changes every gradient below it: by 2 % of its norm in a ResNet-50, though no
framework is wrong. A bias has a gap to be moved into that is hundreds of roundings wide.

Left alone are rectifiers whose input has no bias added to it (or one that is used twice), and near ties in a max pool.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from .arithmetic import NUMPY, Arithmetic
from .ops import CATALOGUE
from .trace import Call, Graph

REACH = 0.01  # the most by which a bias is moved


def move_biases(
    graph: Graph, arrays: Mapping[str, np.ndarray], arithmetic: Arithmetic = NUMPY
) -> dict[str, np.ndarray]:
    """The arrays, with the biases before rectifiers moved by up to REACH. The forward pass is run in float64."""
    shifted = dict(arrays)
    if not any(CATALOGUE[call.op].corners for call in graph.calls):
        return shifted
    names = {number: name for named in (graph.inputs, graph.params) for name, number in named.items()}
    values = {number: arithmetic.place(arrays[name], np.float64) for number, name in names.items()}
    uses = Counter(n for call in graph.calls for n in call.inputs)
    left = uses.copy()
    makers = {n: call for call in graph.calls for n in call.outputs}
    for call in graph.calls:
        op = CATALOGUE[call.op]
        bias = _bias(call.inputs[0], makers, uses) if op.corners else None
        if bias in names and graph.draws[names[bias]].differentiable:
            name, x = names[bias], values[call.inputs[0]]
            moved = shifted[name] + _into_gaps(arithmetic.export(x), op.corners).astype(np.float32)
            values[call.inputs[0]] = x + arithmetic.place(moved.astype(np.float64) - shifted[name], np.float64)
            shifted[name] = moved
        output, _ = op.forward(arithmetic.primitives, *(values[n] for n in call.inputs), **call.attrs)
        values.update(zip(call.outputs, output if isinstance(output, tuple) else (output,), strict=True))
        left.subtract(call.inputs)
        for n in {n for n in call.inputs if not left[n]}:
            del values[n]
    return shifted


def _bias(number: int, makers: Mapping[int, Call], uses: Counter[int]) -> int | None:
    """The value whose every element shifts one channel of value `number`, and nothing else in the model."""
    call = makers.get(number)
    if call is None or uses[number] > 1:
        return None
    if call.op == "add":
        return next((n for n in (_bias(n, makers, uses) for n in call.inputs) if n is not None), None)
    position = CATALOGUE[call.op].bias_position
    if position is None or position >= len(call.inputs) or uses[call.inputs[position]] > 1:
        return None
    return call.inputs[position]


def _into_gaps(x: np.ndarray, corners: tuple[float, ...]) -> np.ndarray:
    """For each channel (the last axis), the shift that takes x as far from all corners as one within REACH can."""
    shifts = []
    for channel in x.reshape(-1, x.shape[-1]).T:
        onto_corner = np.concatenate([corner - channel for corner in corners])
        within = onto_corner[np.abs(onto_corner) < REACH]
        ends = np.sort(np.concatenate([within, [-REACH, REACH]]))
        widest = np.argmax(np.diff(ends))
        shifts.append((ends[widest] + ends[widest + 1]) / 2)
    return np.array(shifts)
