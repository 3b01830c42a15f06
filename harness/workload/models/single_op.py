"""One op of the catalogue as the whole workload: an atlas of forward, dX and dW is a sweep over `model.op`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from .. import draw
from ..draw import Draw
from ..ops import CATALOGUE, Example, Sizes
from ..spec import WorkloadError
from ..trace import Ops, Param, Value


@dataclass(frozen=True)
class SingleOp(Sizes):
    """The op `op` on its own example: a sequence [batch, tokens, width], an image [batch, image, image, channels], ...

    Its weights are the parameters and its other arguments are data; without weights, all numbers are parameters. The
    loss is the mean square of its distance from a target, unless the op is a loss itself. Sizes that an op has no use
    for do not matter.
    """

    op: str = "linear"

    def __post_init__(self) -> None:
        if self.op not in CATALOGUE:
            raise WorkloadError(
                f"op: model.op={self.op!r} is not in the catalogue; it has {', '.join(sorted(CATALOGUE))}"
            )

    @property
    def label(self) -> str:
        return self.op

    @property
    def example(self) -> Example:
        return CATALOGUE[self.op].example(self)

    @property
    def data(self) -> dict[str, Draw]:
        """The arguments that are not parameters."""
        arguments, weights = self.example.arguments, CATALOGUE[self.op].weights
        if not weights:
            return {name: drawn for name, drawn in arguments.items() if not drawn.differentiable}
        return {name: drawn for i, (name, drawn) in enumerate(arguments.items()) if i not in weights}

    def batch_arrays(self) -> dict[str, Draw]:
        example = self.example
        shape = CATALOGUE[self.op].shape(*(drawn.spec for drawn in example.arguments.values()), **example.attrs)
        outputs = shape if isinstance(shape, tuple) else (shape,)
        targets = {f"target{i}": draw.normal(*spec.shape) for i, spec in enumerate(outputs) if spec.shape}
        return self.data | targets

    def loss(self, ops: Ops, param: Param, **batch: Value) -> Value:
        example = self.example
        values = [batch[name] if name in batch else param(name, d) for name, d in example.arguments.items()]
        result = getattr(ops, self.op)(*values, **example.attrs)
        outputs = result if isinstance(result, tuple) else (result,)
        if outputs[0].shape == ():
            return outputs[0]
        return reduce(ops.add, (ops.mse(y, batch[f"target{i}"]) for i, y in enumerate(outputs)))
