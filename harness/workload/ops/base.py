"""What an op is: one page that holds its shape, its maths, its backward rule and its cost together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Array: TypeAlias = Any  # whatever the primitives `xp` compute with: NumPy, torch, jax or tensorflow
Local: TypeAlias = Callable[[], tuple[Array, ...]]


class WorkloadError(ValueError):
    """A model or an op was asked for something that cannot be computed; the message names the value."""


@dataclass(frozen=True)
class Spec:
    """Shape of an array, and what it holds.

    That is numbers of the workload's precision (`float`; `constant` where they never have a gradient), int32
    indices (`int`) or truth values (`bool`).
    """

    shape: tuple[int, ...]
    kind: Literal["float", "constant", "int", "bool"] = "float"

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Work:
    """Arithmetic of one step.

    `matmuls` counts matrix multiplies and convolutions (a batched multiply is one), `flops` their
    floating-point operations (a multiply and an add are two), `elements` the array elements that must be read or
    written at least once (times the item size: bytes). Operations on single elements are not priced by formulas:
    `harness.workload.operations` counts them where a rule performs them.
    """

    matmuls: int = 0
    flops: int = 0
    elements: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.matmuls + other.matmuls,
            self.flops + other.flops,
            self.elements + other.elements,
        )


@dataclass(frozen=True)
class Cost:
    """Work of the forward pass, and of the gradient for each input (dX or dW, as the input may be).

    `shared` is what any of the gradients needs, once. `local` is what the local gradient takes where it is computed
    again in the backward pass and nothing else is; None where that is all of `forward`.
    """

    forward: Work
    gradients: tuple[Work, ...]
    shared: Work = Work()
    local: Work | None = None


def _without_multiplies(op: Op, inputs: tuple[Spec, ...], outputs: tuple[Spec, ...], **attrs: Any) -> Cost:
    """The work of an op that multiplies no matrices.

    Every input and output is read or written once forward; a gradient reads the output's gradient and
    one array of the output's size (the local gradient), and writes an array of the input's size.
    """
    out = elements(*outputs)
    return Cost(Work(elements=elements(*inputs) + out), tuple(Work(elements=2 * out + spec.size) for spec in inputs))


class Op:
    """One operation. Subclasses are final. They define the first three attributes as methods; `cost` if they multiply.

    Rules are written over `xp`, a small set of array primitives (`harness/workload/primitives.py` is
    NumPy's), so that the same rule is the float64 oracle and a framework's hand-written backward pass.
    `attrs` are the op's keywords (stride, heads, ...), the same for all.
    """

    shape: Callable[..., Spec | tuple[Spec, ...]]
    """(*inputs, **attrs): the output's shape, or a tuple of them. Raises WorkloadError if there is none."""

    forward: Callable[..., tuple[Array, Local]]
    """(xp, *inputs, **attrs): the output, and a function that computes the local gradient.

    The local gradient is what `backward` needs beyond the inputs. Calling the function at once caches it in
    the forward pass; calling it on a second forward recomputes it in the backward pass.
    """

    backward: Callable[..., tuple[Array | None, ...]]
    """(xp, grad, local, inputs, wants, **attrs): the gradient of each input from that of the output.

    `wants` says for which inputs; the others may be None.
    """

    cost: Callable[..., Cost] = _without_multiplies
    """(inputs, outputs, **attrs), as tuples of shapes: the work of forward and of each input's gradient."""

    caches = True
    """Whether there is a local gradient; False where `backward` needs inputs alone."""

    def reads(self, wants: Sequence[bool]) -> Sequence[int]:
        """Positions of the inputs whose values `backward` uses; of the others it uses the shape at most."""
        return range(len(wants))

    @property
    def name(self) -> str:
        return type(self).__name__


class Unread(Op):
    """An op whose backward rule uses no input's value: shapes and the local gradient are enough."""

    def reads(self, wants: Sequence[bool]) -> Sequence[int]:
        return ()


def nothing() -> tuple[Array, ...]:
    """The local gradient of an op whose backward rule needs only its inputs."""
    return ()


def elements(*specs: Spec) -> int:
    """How many elements the given arrays hold together."""
    return sum(spec.size for spec in specs)


def require(condition: bool, op: str, message: str) -> None:
    """Raise WorkloadError with the op's name unless `condition` holds."""
    if not condition:
        raise WorkloadError(f"{op}: {message}")
