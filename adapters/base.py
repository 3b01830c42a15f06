"""The contract between the harness and a framework: functions and a wait, never a clock.

A framework is one module (or folder) `adapters/<framework>` with a class `Adapter`, and one YAML in
`conf/framework/`. Only a worker process imports it, by name. What every adapter keeps, so that equal results are
equal work (each sentence is a test in `tests/adapters/`):

1. **Same arrays.** Parameters and inputs arrive as canonical NumPy arrays (images [N, H, W, C], convolution
   weights [kh, kw, in, out], linear weights [in, out]); `load` converts them to the framework's own layout
   once. Parameters are arguments of the computation, not constants that a compiler may fold.
2. **Same maths, native ops.** `harness.workload.interpret.interpreter(graph, ops)` runs the trace with the
   framework's own ops, as a good user of that framework would write them: fused where it has fused.
3. **Precision is set, not inherited.** fp32 means full fp32 multiplies, tf32 and bf16 what they say; threads are
   as many as asked for; denormals are flushed. `describe` reports what is in force, kernels included.
4. **Every phase is whole.** `inference` records nothing for a gradient. `forward` keeps what backward needs and
   returns no copies of parameters or inputs. `backward` computes all gradients that the graph asks for
   (`graph.sources`) and no other; each call gets the residuals of a fresh `forward`. `gradient` is loss and
   gradients in one call, as a training loop runs it; the loss is returned, else its end could be deleted.
   Gradients are dense arrays. Further phases (`EXTRA_PHASES`) are there where the workload or a choice asks.
5. **First calls are apart.** The first call of a phase may trace, compile and tune; later calls never do, and
   raise rather than fall back to something slower. CUDA graphs are recorded in second calls, before any timing.
6. **`wait` is the truth.** After `wait(x)` every array in x is computed. Phases themselves need not wait.
7. **What runs is counted.** `executed` looks into the program that really runs, not into the trace. It must be what
   was asked, but for what `departures` computes: a count that they do not come to makes the variant invalid.

What a framework cannot do raises `Unsupported`, one sentence. `common/` has what frameworks share.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np

from harness.workload.arithmetic import Arithmetic
from harness.workload.expected import Departures
from harness.workload.trace import Graph

from .choices import DEFAULT, Choices

PHASES: tuple[str, ...] = ("inference", "forward", "backward", "gradient")
_PAIRS = ("inputs", "params", "local")
EXTRA_PHASES = ("update", "tangent", *(f"{phase}_{of}" for of in _PAIRS for phase in ("forward", "backward")))

# A phase named here is called with what the other one returned, and uses it up.
AFTER = {"backward": "forward", "update": "gradient", **{f"backward_{of}": f"forward_{of}" for of in _PAIRS}}


class Unsupported(Exception):
    """This framework, execution or device cannot do what was asked. The message is one sentence that says why.

    It has no full stop, and begins with the framework's name and a colon where the reason is the framework's.
    """


# What is found in the type or the message of an exception that a framework, CUDA or C++ raises where memory is short.
_OUT_OF_MEMORY = (
    *("out of memory", "out_of_memory", "resource_exhausted", "resource exhausted", "can't allocate memory"),
    *("bad_alloc", "status_alloc_failed"),  # the last of cuBLAS and cuDNN
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory was short, whatever its type."""
    said = f"{type(error).__name__}: {error}".lower()
    return isinstance(error, MemoryError) or any(phrase in said for phrase in _OUT_OF_MEMORY)


NO_DIRECTIONS: Mapping[str, np.ndarray] = MappingProxyType({})


@dataclass(frozen=True)
class Executed:
    """Matrix multiplies and convolutions in one phase of an executed program.

    `flops` counts 2 per multiply-add. `seen` is what the framework's own counter says instead of `flops`; None where
    it has none. `recomputed` are those multiplies and their FLOPs that a compiler has marked as computed once more.
    """

    matmuls: int
    flops: int
    seen: int | None = field(default=None, compare=False)
    recomputed: tuple[int, int] | None = field(default=None, compare=False)


class Program(Protocol):
    """One workload, loaded in one execution. A result is a device array or a mapping of them by name.

    Where the graph has cotangents, the tuple of its outputs stands for the loss in what follows, and backward starts
    from the cotangents; outputs are exported, and lie in memory, as their cotangents do.
    `phases` names the methods that may be called, in order: PHASES, and those of EXTRA_PHASES that were asked for.
    What one phase returned and another one takes (see AFTER) is used up by it. A program that is not `repeatable`
    overwrites the results of a phase when the phase is called again, as CUDA graphs do: it is timed call by call.
    """

    phases: tuple[str, ...]
    repeatable: bool = True

    def restrict(self, phases: Collection[str]) -> None:
        """Have only those of `phases` that the program has, in the program's order."""
        self.phases = tuple(phase for phase in self.phases if phase in phases)

    def inference(self) -> Any:
        """The loss; nothing is recorded for a gradient."""

    def forward(self) -> tuple[Any, Any]:
        """The loss, and what backward needs."""

    def backward(self, kept: tuple[Any, Any], /) -> Mapping[str, Any]:
        """The gradient of each source, by name, from the pair that `forward` returned."""

    def gradient(self) -> tuple[Any, Mapping[str, Any]]:
        """The loss and the gradient of each source."""

    def update(self, pair: tuple[Any, Mapping[str, Any]], /) -> Mapping[str, Any]:
        """A copy of the parameters after one more step of the optimizer, after `gradient`."""

    def tangent(self) -> tuple[Any, Any]:
        """The loss, and its derivative along the directions."""

    def forward_inputs(self) -> tuple[Any, Any]:
        """The loss, and what the gradients of inputs alone need."""

    def backward_inputs(self, kept: tuple[Any, Any], /) -> Mapping[str, Any]:
        """The gradient of each input that has one, after `forward_inputs`."""

    def forward_params(self) -> tuple[Any, Any]:
        """The loss, and what the gradients of parameters alone need."""

    def backward_params(self, kept: tuple[Any, Any], /) -> Mapping[str, Any]:
        """The gradient of each parameter, after `forward_params`."""

    def parameters(self) -> Mapping[str, Any]:
        """The parameters that have a gradient, on the device and in the framework's own layout."""

    def export(self, gradients: Mapping[str, Any], /) -> dict[str, np.ndarray]:
        """Gradients as NumPy arrays (float32; in fp64 float64) in canonical layout."""

    def residual_bytes(self, kept: tuple[Any, Any], /) -> int:
        """Bytes in the pair that `forward` returned, parameters, inputs and outputs not counted."""

    def spoil(self, result: Any, /) -> None:
        """Fill what a phase returned with NaN, if the program is not `repeatable`: the next call must overwrite it."""

    def executed(self) -> dict[str, Executed]:
        """Multiplies in each phase of the program that runs, by name. Called once, after first calls."""


class Adapter(Protocol):
    """One framework on one device."""

    executions: ClassVar[tuple[str, ...]]

    def __init__(self, device: str, threads: int, precision: str) -> None:
        """`device` is cpu or cuda, `precision` fp32, tf32, bf16, bf16_mixed, fp64 (for `arithmetic`).

        Raises Unsupported.
        """

    def describe(self) -> dict[str, str]:
        """Framework and library versions, device name, and the settings in force, as short strings.

        Asked when a program is loaded, since choices are settings too.
        """

    def load(
        self,
        graph: Graph,
        arrays: Mapping[str, np.ndarray],
        execution: str,
        choices: Choices = DEFAULT,
        directions: Mapping[str, np.ndarray] = NO_DIRECTIONS,
    ) -> Program:
        """The workload on the device, ready for first calls. Raises Unsupported.

        `directions`: an array for each source, where a tangent is chosen.
        """

    def refusal(self, error: Exception, /) -> Unsupported | None:
        """What the framework's own exception in a first call amounts to, if it says that it lacks a kernel."""

    def arithmetic(self) -> Arithmetic:
        """The catalogue's primitives on the device, for a reference; the precision is fp64. Raises Unsupported."""

    def departures(self, execution: str, choices: Choices) -> Departures:
        """How the multiplies that run depart from those that trace and choices ask for."""

    def wait(self, value: Any) -> None:
        """Block until every array in `value` (nested tuples, lists, mappings) is computed."""

    def device_seconds(self, call: Callable[[], Any]) -> tuple[Any, float | None]:
        """What `call` returns, and the seconds between events before and after it on the device; None without events.

        The device is kept busy first: it never waits.
        """

    def overwriting(self, size: int) -> Callable[[], Any]:
        """A function that overwrites so many bytes of a GPU; what it returns is to be awaited."""

    def peak_bytes(self, call: Callable[[], Any]) -> tuple[Any, int | None]:
        """What `call` returns, and the most of the device's memory in use meanwhile; None if that is not counted."""

    peak_source: ClassVar[str]  # of `peak_bytes`, in a few words

    @property
    def counts_all_memory(self) -> bool:
        """Whether `peak_bytes` counts parameters and all temporaries."""
