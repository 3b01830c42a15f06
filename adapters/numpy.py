"""NumPy: backpropagation by hand, as a student writes it, and the shortest example of an adapter."""

from __future__ import annotations

import ctypes
import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from harness.workload import primitives
from harness.workload.backprop import Step, run_backward, run_forward
from harness.workload.expected import Departures
from harness.workload.jacobian import run_backward_by_jacobians
from harness.workload.trace import Graph

from .base import DEFAULT, NO_DIRECTIONS, PHASES, Choices, Executed, Unsupported
from .compatible import check
from .extend import with_sides


class Adapter:
    """NumPy on the CPU. Its BLAS uses every CPU that the process may use."""

    executions: ClassVar[tuple[str, ...]] = ("by_hand",)

    def __init__(self, device: str, threads: int, precision: str) -> None:
        if device != "cpu" or precision != "fp32":
            raise Unsupported(f"NumPy runs on the CPU in fp32, not on {device} in {precision}")

    def describe(self) -> dict[str, str]:
        return {"numpy": np.__version__, "blas": _blas()}

    def load(
        self,
        graph: Graph,
        arrays: Mapping[str, np.ndarray],
        execution: str,
        choices: Choices = DEFAULT,
        directions: Mapping[str, np.ndarray] = NO_DIRECTIONS,
    ) -> Any:
        if execution not in self.executions:
            raise Unsupported(f"numpy: no execution {execution!r}; it has {', '.join(self.executions)}")
        check(graph, choices, "fp32")
        choices.refuse("NumPy", "residuals", "layout", "attention", "optimizer", "tangent", "kernels", "fusion")
        own = {name: np.array(array) for name, array in arrays.items()}
        return with_sides(graph, lambda part: Program(part, own, choices.autodiff))

    def departures(self, execution: str, choices: Choices) -> Departures:
        return Departures()

    def wait(self, value: Any) -> None:
        """NumPy returns when it is done."""

    def device_seconds(self, call: Callable[[], Any]) -> tuple[Any, None]:
        return call(), None


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


class Program:
    """The catalogue's rules over float32 arrays."""

    phases = PHASES

    def __init__(self, graph: Graph, arrays: dict[str, np.ndarray], autodiff: str = "by_hand") -> None:
        self.graph = graph
        self.arrays = arrays
        self.recompute = autodiff == "by_hand_recomputed"
        self.pull = run_backward_by_jacobians if autodiff == "jacobian" else run_backward

    def inference(self) -> Any:
        return run_forward(primitives, self.graph, self.arrays, keep=False)[0]

    def forward(self) -> tuple[Any, list[Step]]:
        return run_forward(primitives, self.graph, self.arrays, recompute=self.recompute)

    def backward(self, kept: tuple[Any, list[Step]]) -> dict[str, np.ndarray]:
        return self.pull(primitives, self.graph, kept[1], np.float32(1))

    def gradient(self) -> tuple[Any, dict[str, np.ndarray]]:
        kept = self.forward()
        return kept[0], self.backward(kept)

    def export(self, gradients: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return dict(gradients)

    def residual_bytes(self, kept: tuple[Any, list[Step]]) -> int:
        given = {id(array) for array in self.arrays.values()}
        kept_arrays = (a for step in kept[1] for a in (*step.inputs, *(step.local or ())))
        arrays = {id(a): a.nbytes for a in kept_arrays if isinstance(a, np.ndarray)}
        return sum(size for key, size in arrays.items() if key not in given)

    def executed(self) -> dict[str, Executed]:
        """Counts the calls of the multiplying primitives."""
        counter = _Counting()
        _, steps = run_forward(counter, self.graph, self.arrays, recompute=self.recompute)
        forward = counter.harvest()
        self.pull(counter, self.graph, steps, np.float32(1))
        backward = counter.harvest()
        both = Executed(forward.matmuls + backward.matmuls, forward.flops + backward.flops)
        counted = {"inference": forward, "forward": forward, "backward": backward, "gradient": both}
        return {phase: counted[phase] for phase in self.phases}


class _Counting:
    """NumPy's primitives, with the FLOPs of multiplies and convolutions noted."""

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()

    def harvest(self) -> Executed:
        """What was seen since the last call."""
        found = Executed(self.seen.total(), sum(flops * times for flops, times in self.seen.items()))
        self.seen.clear()
        return found

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

    def __getattr__(self, name: str) -> Any:
        return getattr(primitives, name)
