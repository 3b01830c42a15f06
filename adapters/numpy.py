"""NumPy: backpropagation by hand, without a framework, and the shortest example of an adapter."""

from __future__ import annotations

import ctypes
import math
from collections import Counter
from collections.abc import Container, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from harness.workload import primitives
from harness.workload.backprop import Step
from harness.workload.expected import Departures

from .base import Executed, Unsupported
from .choices import CHOICES, Choices
from .common.adapter import CommonAdapter
from .common.manual import Backprop, kept_by
from .common.program import Core, CoreRequest


class Adapter(CommonAdapter):
    """NumPy on the CPU. Its BLAS uses every CPU that the process may use."""

    name: ClassVar[str] = "numpy"
    lacks: ClassVar[tuple[str, ...]] = tuple(name for name in CHOICES if name != "autodiff")
    executions: ClassVar[tuple[str, ...]] = ("by_hand",)

    def __init__(self, device: str, threads: int, precision: str) -> None:
        if device != "cpu" or precision not in ("fp32", "fp64"):
            raise Unsupported(f"numpy: it computes on the CPU in fp32 and fp64, not on {device} in {precision}")
        super().__init__(precision)

    def describe(self) -> dict[str, str]:
        return {"numpy": np.__version__, "blas": _blas()}

    def departures(self, execution: str, choices: Choices) -> Departures:
        return Departures()

    def wait(self, value: Any) -> None:
        """NumPy returns when it is done."""

    def _place(self, arrays: Mapping[str, np.ndarray], narrow: Container[str]) -> dict[str, np.ndarray]:
        wide = np.float64 if self._precision == "fp64" else None
        return {name: np.array(array, wide if array.dtype.kind == "f" else None) for name, array in arrays.items()}

    def _program(self, request: CoreRequest, execution: str, choices: Choices) -> Program:
        return Program(request, choices.autodiff, np.float64 if self._precision == "fp64" else np.float32)


def _blas() -> str:
    """The library of matrix multiplies that NumPy was built with, and which of its kernels this CPU has of OpenBLAS."""
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    named = f"{built['name']} {built['version']}"
    for path in {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "openblas" in line}:
        for corename in ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"):
            if asked := getattr(ctypes.CDLL(path), corename, None):
                asked.restype = ctypes.c_char_p
                return f"{named}, {asked().decode()}"
    return named


class Program(Core):
    """The catalogue's rules over arrays of one type."""

    def __init__(self, request: CoreRequest, autodiff: str = "by_hand", dtype: type[np.floating] = np.float32) -> None:
        super().__init__(request)
        self._start = request.graph.start(request.arrays, dtype(1))
        self._manual = Backprop(primitives, request.graph, autodiff)
        self._counter = _Counter()
        self._counted = Backprop(self._counter.primitives, request.graph, autodiff)

    def inference(self) -> Any:
        return self._manual.loss(self._arrays)

    def forward(self) -> tuple[Any, list[Step]]:
        return self._manual.forward(self._arrays)

    def backward(self, kept: tuple[Any, list[Step]]) -> dict[str, np.ndarray]:
        return self._manual.backward(kept[1], self._start)

    def export(self, gradients: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return dict(gradients)

    def residual_bytes(self, kept: tuple[Any, list[Step]]) -> int:
        outputs = kept[0] if isinstance(kept[0], tuple) else ()
        given = {id(array) for array in (*self._arrays.values(), *outputs)}
        arrays = {id(a): a.nbytes for a in kept_by(kept[1]) if isinstance(a, np.ndarray)}
        return sum(size for key, size in arrays.items() if key not in given)

    def executed(self) -> dict[str, Executed]:
        """Counts the calls of the multiplying primitives."""
        _, steps = self._counted.forward(self._arrays)
        forward = self._counter.harvest()
        self._counted.backward(steps, self._start)
        backward = self._counter.harvest()
        both = Executed(forward.matmuls + backward.matmuls, forward.flops + backward.flops)
        counted = {"inference": forward, "forward": forward, "backward": backward, "gradient": both}
        return {phase: counted[phase] for phase in self.phases}


class _Counter:
    """Notes the FLOPs of the multiplies and convolutions among `primitives`, which are NumPy's otherwise."""

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()
        noted = (self.matmul, self.conv2d, self.conv2d_dx, self.conv2d_dw)
        self.primitives = SimpleNamespace(**vars(primitives) | {method.__name__: method for method in noted})

    def harvest(self) -> Executed:
        """What was seen since the last call."""
        executed = Executed(self.seen.total(), sum(flops * times for flops, times in self.seen.items()))
        self.seen.clear()
        return executed

    def matmul(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        product = np.matmul(a, b)
        self.seen[2 * product.size * a.shape[-1]] += 1
        return product

    def conv2d(self, x: np.ndarray, w: np.ndarray, *rest: int) -> np.ndarray:
        y = primitives.conv2d(x, w, *rest)
        self.seen[2 * y.size * math.prod(w.shape[:3])] += 1
        return y

    def conv2d_dx(self, grad: np.ndarray, w: np.ndarray, *rest: Any) -> np.ndarray:
        self.seen[2 * grad.size * math.prod(w.shape[:3])] += 1
        return primitives.conv2d_dx(grad, w, *rest)

    def conv2d_dw(self, grad: np.ndarray, x: np.ndarray, w_shape: tuple[int, ...], *rest: Any) -> np.ndarray:
        self.seen[2 * grad.size * math.prod(w_shape[:3])] += 1
        return primitives.conv2d_dw(grad, x, w_shape, *rest)
