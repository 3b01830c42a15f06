"""What is measured to know what a machine allows: each op alone, at sizes of its own.

`BANDWIDTH`, over arrays from a cache's size to many times that, shows how fast memory is; `MULTIPLY`, over shapes, how
fast matrices are multiplied: forward is [rows, inner] [inner, columns] (NN), dX has the second factor transposed (NT)
and dW the first (TN). Convolutions have kernels, and so shapes, of their own. Every other op is tried on its example in
two sizes, with the attributes that a workload calls it with. None of the sizes is that of a default model's: what is
predicted from them is held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..workload.ops import CATALOGUE
from ..workload.spec import WorkloadError
from ..workload.workload import Workload
from .parts import Part, distinct_parts

BANDWIDTH = "relu"
MULTIPLY = "linear"
CONVOLUTION = "conv2d"

_ARRAYS = (2**14, 2**16, 2**18, 2**21, 2**24)  # elements: 64 KiB to 64 MiB in single precision
_PRODUCTS = (  # rows, inner, columns
    *((32, 128, 128), (16, 768, 768), (128, 128, 128), (384, 384, 384)),
    *((1024, 192, 768), (192, 1024, 192), (512, 640, 512), (160, 192, 4096)),
)
_CONVOLUTIONS = (  # batch, image, channels, channels of the output, kernel, stride
    *((4, 80, 3, 64, 5, 2), (4, 20, 48, 48, 3, 1), (4, 16, 96, 96, 3, 1), (4, 8, 192, 192, 3, 1)),
    *((4, 4, 320, 320, 3, 1), (4, 20, 48, 96, 3, 2), (4, 8, 192, 384, 3, 2), (4, 16, 96, 192, 1, 2)),
)
_EXAMPLES = (
    {"batch": 4, "tokens": 32, "width": 128, "image": 16, "channels": 32, "entries": 500},
    {"batch": 8, "tokens": 32, "width": 384, "image": 32, "channels": 64, "entries": 2000},
)


@dataclass(frozen=True)
class Kind:
    """An op with the attributes that cut its work. A convolution's are among the shapes that it is probed with."""

    op: str
    attrs: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, part: Part) -> Kind:
        """The kind of a part."""
        return cls(part.op, () if part.op == CONVOLUTION else tuple(sorted(part.attrs.items())))

    def __str__(self) -> str:
        return " ".join([self.op, *(f"{key}={value}" for key, value in self.attrs)])

    def probes(self, precision: str) -> list[Part]:
        """The calls that are measured: with these attributes, unless they do not fit the sizes."""
        try:
            return [_alone(sizes | {"op": self.op, **self._given(sizes)}, precision) for sizes in _sizes(self.op)]
        except WorkloadError:
            return [_alone(sizes | {"op": self.op}, precision) for sizes in _sizes(self.op)]

    def _given(self, sizes: dict[str, Any]) -> dict[str, Any]:
        return {"attrs": dict(self.attrs)} if self.attrs and "attrs" not in sizes else {}


def kinds_of(workload: Workload) -> list[Kind]:
    """What is to be probed for a workload: plain multiplies, copies, and each kind of its calls."""
    return list(dict.fromkeys((Kind(MULTIPLY), Kind(BANDWIDTH), *map(Kind.of, distinct_parts(workload)))))


def _sizes(op: str) -> Sequence[dict[str, Any]]:
    if op == BANDWIDTH:
        return [{"shapes": [[size // 256, 256]]} for size in _ARRAYS]
    if op == MULTIPLY:
        return [{"shapes": [[rows, inner], [inner, columns], [columns]]} for rows, inner, columns in _PRODUCTS]
    if op == CONVOLUTION:
        return [
            {
                "shapes": [[batch, image, image, channels], [kernel, kernel, channels, out]],
                "attrs": {"stride": stride, "padding": kernel // 2},
            }
            for batch, image, channels, out, kernel, stride in _CONVOLUTIONS
        ]
    return _EXAMPLES


def _alone(sizes: dict[str, Any], precision: str) -> Part:
    """One call with every gradient that there is."""
    workload = Workload.of("op", sizes, precision=precision)
    data = workload.graph.inputs.values()
    if CATALOGUE[sizes["op"]].weights and any(workload.graph.specs[number].kind == "float" for number in data):
        workload = Workload.of("op", sizes, precision=precision, gradients="both")
    (part,) = distinct_parts(workload)
    return part
