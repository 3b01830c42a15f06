"""XLA's departures for convolutions on a GPU: how many FLOPs cuDNN is called for where XLA writes a pass otherwise.

Each rule was read off programs that XLA compiled for an H100 (jax 0.10.2 and, where a GPU was there, 0.11.2). Along
each axis, a convolution has `image` input pixels, a kernel of `kernel` and `out` output pixels.

- Of the two arrays that a pass multiplies, XLA takes the one with fewer pixels as the kernel.
- Where stride and padding leave over some pixels of the image, XLA writes the zeros of a dilated gradient into memory,
  so `dilated = (out - 1) * stride + 1` pixels are multiplied and not `out`. That concerns dX with its arrays swapped,
  and dW where the output is nowhere larger than the kernel (then XLA does not see that this is a dW).
- The dX of a grouped convolution is a convolution with an output as large as the image, whose zeros count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from harness.workload.backprop import wants
from harness.workload.cost import CallWork, price
from harness.workload.expected import Departure
from harness.workload.ops import Work
from harness.workload.trace import Call, Graph

from .departures import counted


@dataclass(frozen=True)
class _Sizes:
    """Pixels of each array of a convolution; `small` tells whether its output is nowhere larger than its kernel."""

    image: int
    kernel: int
    out: int
    dilated: int
    small: bool
    grouped: bool


def _sizes(graph: Graph, call: Call) -> _Sizes:
    image, kernel = (graph.specs[number].shape for number in call.inputs[:2])
    out = graph.specs[call.outputs[0]].shape[1:3]
    stride, padding = call.attrs.get("stride", 1), call.attrs.get("padding", 0)
    even = all((size + 2 * padding - taps) % stride == 0 for size, taps in zip(image[1:3], kernel[:2], strict=True))
    return _Sizes(
        image=prod(image[1:3]),
        kernel=prod(kernel[:2]),
        out=prod(out),
        dilated=prod(out if even else [(size - 1) * stride + 1 for size in out]),
        small=all(size <= taps for size, taps in zip(out, kernel[:2], strict=True)),
        grouped=call.attrs.get("groups", 1) > 1,
    )


def _rescaled(work: Work, numerator: int, denominator: int) -> Work:
    """What is executed beside `work` if its FLOPs are those times a ratio."""
    return counted(0, work.flops * numerator // denominator - work.flops)


def _forward(work: Work, sizes: _Sizes) -> Work:
    if sizes.grouped or sizes.kernel <= sizes.image:
        return Work()
    return _rescaled(work, sizes.image, sizes.kernel)


def _of_input(work: Work, sizes: _Sizes) -> Work:
    if sizes.grouped:
        return _rescaled(work, sizes.image, sizes.out)
    if sizes.kernel <= sizes.out:
        return Work()
    return _rescaled(work, sizes.image * sizes.dilated, sizes.out * sizes.kernel)


def _of_weights(work: Work, sizes: _Sizes) -> Work:
    if sizes.grouped:
        return Work()
    if sizes.out > sizes.image:
        return _rescaled(work, sizes.image, sizes.out)
    return _rescaled(work, sizes.dilated, sizes.out) if sizes.small else Work()


def _as_called(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    if call.op != "conv2d":
        return asked
    sizes, priced, wanting = _sizes(graph, call), price(graph, call), wants(graph, call)
    forward = _forward(priced.forward, sizes)
    of_input = _of_input(priced.gradients[0], sizes) if wanting[0] else Work()
    of_weights = _of_weights(priced.gradients[1], sizes) if wanting[1] else Work()
    return replace(
        asked,
        forward=asked.forward + forward,
        backward=asked.backward + of_input + of_weights,
        again=asked.again + forward if asked.again.flops else asked.again,
    )


CUDNN = Departure(
    "XLA calls cuDNN for some convolutions with arrays swapped, or with the zeros of a stride in memory.", _as_called
)
