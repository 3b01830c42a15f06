"""What an op is: one page that holds its shape, its maths, its backward rule and its cost together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from .. import draw
from ..draw import Draw
from ..spec import Spec, WorkloadError
from .example import Example, Sizes, example_of

Primitives: TypeAlias = Any  # the functions `xp` that the rules are written in
Array: TypeAlias = Any  # whatever the primitives compute with: NumPy, torch, jax or tensorflow
Arrays: TypeAlias = tuple[Array, ...]
Local: TypeAlias = Callable[[], Arrays]
Forward: TypeAlias = tuple[Array, Local]
Gradients: TypeAlias = tuple[Array | None, ...]
Specs: TypeAlias = tuple[Spec, ...]
Wants: TypeAlias = Sequence[bool]


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


@dataclass(frozen=True)
class Product:
    """Matrix multiplies [batch, rows, inner] times [batch, inner, columns], `times` as often.

    `left` and `right` are the positions of the op's inputs that each factor is made of.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    rows: int
    inner: int
    columns: int
    batch: int = 1
    times: int = 1

    @property
    def flops(self) -> int:
        """FLOPs of all these multiplies: 2 for each multiply-add."""
        return 2 * self.times * self.batch * self.rows * self.inner * self.columns


def _without_multiplies(op: Op, inputs: Specs, outputs: Specs, **attrs: Any) -> Cost:
    """The work of an op that multiplies no matrices.

    Every input and output is read or written once forward; a gradient reads the output's gradient and
    one array of the output's size (the local gradient), and writes an array of the input's size.
    """
    out = elements(*outputs)
    return Cost(Work(elements=elements(*inputs) + out), tuple(Work(elements=2 * out + spec.size) for spec in inputs))


def _none(op: Op, inputs: Specs, outputs: Specs, **attrs: Any) -> Sequence[Product]:
    return ()


class Op:
    """One operation. Subclasses are final. They define the first three attributes as methods; `cost` if they multiply.

    Rules are written over `xp`, a small set of array primitives (`harness/workload/primitives.py` is
    NumPy's), so that the same rule is the float64 oracle and a framework's hand-written backward pass.
    `attrs` are the op's keywords (stride, heads, ...), the same for all.

    All that is to be known of an op stands here, so that a new one needs no other entry anywhere: what rules,
    models, adapters and tests ask beyond the maths has a default, which most ops leave as it is.
    """

    shape: Callable[..., Spec | Specs]
    """(*inputs, **attrs): the output's shape, or a tuple of them. Raises WorkloadError if there is none."""

    forward: Callable[..., Forward]
    """(xp, *inputs, **attrs): the output, and a function that computes the local gradient.

    The local gradient is what `backward` needs beyond the inputs. Calling the function at once caches it in
    the forward pass; calling it on a second forward recomputes it in the backward pass.
    """

    backward: Callable[..., Gradients]
    """(xp, grad, local, inputs, wants, **attrs): the gradient of each input from that of the output.

    `wants` says for which inputs; the others may be None.
    """

    cost: Callable[..., Cost] = _without_multiplies
    """(inputs, outputs, **attrs), as tuples of shapes: the work of forward and of each input's gradient."""

    products: Callable[..., Sequence[Product]] = _none
    """(inputs, outputs, **attrs): the multiplies of forward in order, as far as they are plain ones of two factors."""

    caches: ClassVar[bool] = True
    """Whether there is a local gradient; False where `backward` needs inputs alone."""

    weights: ClassVar[tuple[int, ...]] = ()
    """Positions of the inputs that are a layer's own, to be learnt; the others are what flows through it."""

    matrices: ClassVar[tuple[int, ...]] = ()
    """Positions of the weights whose last two axes are a matrix, which a framework may keep transposed."""

    bias_position: ClassVar[int | None] = None
    """Position of a weight that is added last, one number a channel, which `kinks.py` may move a little."""

    corners: ClassVar[tuple[float, ...]] = ()
    """Where the slope of a function of one element jumps."""

    elementwise: ClassVar[bool] = False
    """Whether it is a function of one element, whose slope is its whole local gradient."""

    mixes_examples: ClassVar[bool] = False
    """Whether what it computes of one example of a batch depends on the others."""

    has_loop: ClassVar[bool] = False
    """Whether it goes through its first input [batch, tokens, ...] token by token, from the states that follow."""

    def example(self, sizes: Sizes) -> Example:
        """Arguments to try it on. Unless an op says otherwise, it takes one sequence."""
        return example_of(sizes.sequence)

    def optional(self, shape: tuple[int, ...]) -> Draw:
        """An argument of that shape that the example leaves out: one more of several, a mask or a bias."""
        return draw.normal(*shape)

    def reads(self, wants: Wants) -> Sequence[int]:
        """Positions of the inputs whose values `backward` uses; of the others it uses the shape at most."""
        return range(len(wants))

    @property
    def name(self) -> str:
        return type(self).__name__


class Unread(Op):
    """An op whose backward rule uses no input's value: shapes and the local gradient are enough."""

    def reads(self, wants: Wants) -> Sequence[int]:
        return ()


def nothing() -> Arrays:
    """The local gradient of an op whose backward rule needs only its inputs."""
    return ()


def elements(*specs: Spec) -> int:
    """How many elements the given arrays hold together."""
    return sum(spec.size for spec in specs)


def require(condition: bool, op: str, message: str) -> None:
    """Raise WorkloadError with the op's name unless `condition` holds."""
    if not condition:
        raise WorkloadError(f"{op}: {message}")
