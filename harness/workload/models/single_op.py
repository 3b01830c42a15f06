"""One op of the catalogue as the whole workload: an atlas of forward, dX and dW is a sweep over `model.op`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .. import draw
from ..draw import Draw
from ..ops import CATALOGUE, Example, Op, Sizes
from ..spec import Spec, WorkloadError
from ..trace import Ops, Param, Value


@dataclass(frozen=True)
class SingleOp(Sizes):
    """The op `op` on its own example: a sequence [batch, tokens, width], an image [batch, image, image, channels], ...

    Its weights are the parameters and its other arguments are data; without weights, all numbers are parameters.
    Nothing else is computed: backward starts from a cotangent for each output, unless the op is a loss itself. Sizes
    that an op has no use for do not matter.

    `shapes` has a shape for each argument instead, in any number that the op takes; `attrs` replaces some of its
    attributes; `constant` has the positions of arguments whose gradient is not wanted.
    """

    op: str = "linear"
    shapes: list[list[int]] | None = None
    attrs: dict[str, Any] | None = None
    constant: list[int] | None = None

    def __post_init__(self) -> None:
        if self.op not in CATALOGUE:
            raise WorkloadError(
                f"op: model.op={self.op!r} is not in the catalogue; it has {', '.join(sorted(CATALOGUE))}"
            )
        for shape in self.shapes or ():
            if not (isinstance(shape, list) and all(type(size) is int and size >= 1 for size in shape)):
                raise WorkloadError(f"model.shapes: {shape!r} is no shape, such as [8, 32, 32, 64]")
        arguments = len(self.example.arguments)
        for position in self.constant or ():
            if not (type(position) is int and 0 <= position < arguments):
                raise WorkloadError(f"model.constant: {position!r} is no position among {arguments} arguments")

    @property
    def label(self) -> str:
        return self.op

    @property
    def example(self) -> Example:
        op = CATALOGUE[self.op]
        example = op.example(self)
        arguments = example.arguments
        if self.shapes is not None:
            names = [*arguments, *(f"extra{i}" for i in range(len(arguments), len(self.shapes)))]
            arguments = {
                name: _drawn(op, position, arguments.get(name), tuple(shape))
                for position, (name, shape) in enumerate(zip(names, self.shapes, strict=False))
            }
            _check_entries(self.entries, list(arguments.values()))
        for position, name in enumerate(arguments):
            if position in (self.constant or ()):
                arguments = arguments | {name: draw.Constant(arguments[name].spec.shape)}
        return Example(arguments, example.attrs | (self.attrs or {}))

    @property
    def data(self) -> dict[str, Draw]:
        """The arguments that are not parameters."""
        arguments, weights = self.example.arguments, CATALOGUE[self.op].weights
        if not weights:
            return {name: drawn for name, drawn in arguments.items() if not drawn.differentiable}
        return {
            name: drawn
            for i, (name, drawn) in enumerate(arguments.items())
            if i not in weights or not drawn.differentiable
        }

    @property
    def outputs(self) -> tuple[Spec, ...]:
        """What the op returns."""
        example = self.example
        try:
            shape = CATALOGUE[self.op].shape(*(drawn.spec for drawn in example.arguments.values()), **example.attrs)
        except (TypeError, IndexError) as error:
            raise WorkloadError(f"{self.op}: it does not take these shapes and attrs ({error})") from error
        return shape if isinstance(shape, tuple) else (shape,)

    def batch_arrays(self) -> dict[str, Draw]:
        cotangents = {f"cotangent{i}": draw.Cotangent(spec.shape) for i, spec in enumerate(self.outputs) if spec.shape}
        return self.data | cotangents

    def loss(self, ops: Ops, param: Param, **batch: Value) -> Value:
        example = self.example
        values = [batch[name] if name in batch else param(name, d) for name, d in example.arguments.items()]
        return getattr(ops, self.op)(*values, **example.attrs)


def _drawn(op: Op, position: int, drawn: Draw | None, shape: tuple[int, ...]) -> Draw:
    """The argument at a position, with another shape than in the op's example, or one that is not in the example."""
    if drawn is None:
        return op.optional(shape)
    if drawn.spec.shape == shape:
        return drawn
    if isinstance(drawn, draw.Normal) and position in op.weights and len(shape) > 1:
        return draw.lecun(*shape)
    try:
        return replace(drawn, shape=shape)  # type: ignore[type-var]
    except TypeError as error:
        raise WorkloadError(f"model.shapes: {op.name} takes its argument {position} in one form alone") from error


def _check_entries(entries: int, arguments: list[Draw]) -> None:
    """Raise WorkloadError where indices up to `entries` would point behind the end of every array."""
    longest = max((size for drawn in arguments if drawn.differentiable for size in drawn.spec.shape), default=0)
    if any(isinstance(drawn, draw.Integers) for drawn in arguments) and entries > longest:
        raise WorkloadError(f"model.entries={entries}: no argument in model.shapes has so many; set it to fit")
