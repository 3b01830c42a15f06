"""Runs a model over shapes alone: the list of op calls, and which values need a gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, TypeAlias

from .draw import Cotangent, Draw
from .ops import CATALOGUE
from .spec import Spec, WorkloadError

Ops: TypeAlias = Any  # what a model is written over: one function for each op of the catalogue, and `block`
Value: TypeAlias = Any  # what such a function takes and returns: a Symbol, while a model is traced


class Param(Protocol):
    """What gives a model its parameters; those that are `frozen` get no gradient, whatever a config says."""

    def __call__(self, name: str, draw: Draw, frozen: bool = False) -> Value: ...


MOST_CALLS = 20_000  # a hundred times what any model here has; beyond, a size is a slip of the hand


@dataclass(frozen=True)
class Symbol:
    """Stands for an array while a model is traced: its number in the graph, and its shape."""

    id: int
    spec: Spec

    @property
    def shape(self) -> tuple[int, ...]:
        return self.spec.shape


@dataclass(frozen=True)
class Call:
    """One op applied to values of the graph, by number; `block` names the part of the model that it belongs to."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attrs: dict[str, Any]
    block: str = ""


@dataclass(frozen=True)
class Graph:
    """A traced model: values by number, op calls in order, and the numbers of what it returns.

    `params` and `inputs` map names to numbers; `draws` says how each named array is drawn. `outputs` is the loss alone,
    unless backward is given the gradient of each output: `cotangents` names the inputs that hold those. `frozen` names
    the parameters without a gradient.
    """

    specs: tuple[Spec, ...]
    params: dict[str, int]
    inputs: dict[str, int]
    draws: dict[str, Draw]
    calls: tuple[Call, ...]
    outputs: tuple[int, ...]
    cotangents: tuple[str, ...] = ()
    gradients: str = "params"
    frozen: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def loss(self) -> int:
        """The number of the loss, in a graph that has one."""
        assert not self.cotangents
        return self.outputs[0]

    def result(self, values: Mapping[int, Any]) -> Any:
        """What the graph returns, from its values: the loss, or a tuple of its outputs where they have cotangents."""
        return tuple(values[number] for number in self.outputs) if self.cotangents else values[self.loss]

    def start(self, arrays: Mapping[str, Any], one: Any) -> Any:
        """The gradient of the result, from which backward starts: `one` for a loss, else the tuple of cotangents."""
        return tuple(arrays[name] for name in self.cotangents) if self.cotangents else one

    @property
    def parameter_count(self) -> int:
        return sum(self.specs[number].size for number in self.params.values())

    @cached_property
    def sources(self) -> dict[str, int]:
        """The named values for which a gradient is asked: parameters not frozen, inputs that can have one, or both."""
        trained = {name: number for name, number in self.params.items() if name not in self.frozen}
        inputs = {name: number for name, number in self.inputs.items() if self.draws[name].differentiable}
        return {"params": trained, "inputs": inputs, "both": trained | inputs}[self.gradients]

    def side(self, gradients: str) -> Graph:
        """Return this graph with only the gradients of one side asked for: `params` or `inputs`."""
        return replace(self, gradients=gradients)

    @cached_property
    def needs_gradient(self) -> frozenset[int]:
        """Numbers of the values through which a gradient must flow."""
        needed = set(self.sources.values())
        for call in self.calls:
            if needed.intersection(call.inputs):
                needed.update(call.outputs)
        return frozenset(needed)

    @cached_property
    def activations(self) -> frozenset[str]:
        """For an op alone: the arrays that other ops would compute if it were part of a model, and its cotangents.

        Those are the numbers that can have a gradient and are no weights of the op. A graph with a loss has none.
        """
        if not self.cotangents:
            return frozenset()
        weights = {call.inputs[i] for call in self.calls for i in CATALOGUE[call.op].weights if i < len(call.inputs)}
        arrays = {name: number for name, number in (self.inputs | self.params).items() if number not in weights}
        return frozenset(name for name in arrays if self.draws[name].differentiable or name in self.cotangents)

    @property
    def images(self) -> list[int]:
        """Numbers of the computed values [batch, height, width, channels]."""
        computed = (number for call in self.calls for number in call.outputs)
        return [number for number in computed if len(self.specs[number].shape) == 4]

    def uses(self, number: int) -> list[tuple[str, int]]:
        """The (op, position) pairs where a value is an argument: tells an adapter which layout suits it."""
        return [
            (call.op, position)
            for call in self.calls
            for position, argument in enumerate(call.inputs)
            if argument == number
        ]


@dataclass
class _Tracer:
    """The op namespace that records instead of computing: `ops.relu(x)` adds a call and returns a Symbol."""

    specs: list[Spec] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    params: dict[str, Symbol] = field(default_factory=dict)
    draws: dict[str, Draw] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    current_block: str = ""

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """Calls inside `with ops.block(name)` belong together: checkpointing recomputes them as one."""
        self.current_block, outer = name, self.current_block
        try:
            yield
        finally:
            self.current_block = outer

    def value(self, spec: Spec) -> Symbol:
        self.specs.append(spec)
        return Symbol(len(self.specs) - 1, spec)

    def param(self, name: str, draw: Draw, frozen: bool = False) -> Symbol:
        if name not in self.params:
            self.params[name] = self.value(draw.spec)
            self.draws[name] = draw
            self.frozen.update([name] * frozen)
        elif self.draws[name] != draw:
            raise WorkloadError(f"parameter {name!r} is asked for twice, as {self.draws[name]} and as {draw}")
        return self.params[name]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in CATALOGUE:
            raise WorkloadError(f"no op {name!r} in the catalogue; it has {', '.join(sorted(CATALOGUE))}")

        def call(*arguments: Symbol | None, **attrs: Any) -> Symbol | tuple[Symbol, ...]:
            inputs = [argument for argument in arguments if argument is not None]
            shape = CATALOGUE[name].shape(*(x.spec for x in inputs), **attrs)
            specs = shape if isinstance(shape, tuple) else (shape,)
            outputs = tuple(self.value(spec) for spec in specs)
            numbers = tuple(x.id for x in inputs), tuple(x.id for x in outputs)
            self.calls.append(Call(name, *numbers, attrs, self.current_block))
            if len(self.calls) > MOST_CALLS:
                raise WorkloadError(f"the model has more than {MOST_CALLS} operations; choose a smaller depth")
            return outputs if isinstance(shape, tuple) else outputs[0]

        return call


def trace(model: Any, gradients: str = "params") -> Graph:
    """The graph of `model`. Raises WorkloadError where shapes do not fit, or an input's gradient cannot be had."""
    tracer = _Tracer()
    name = getattr(model, "label", type(model).__name__)
    batch = model.batch_arrays()
    inputs = {key: tracer.value(draw.spec) for key, draw in batch.items()}
    result = model.loss(tracer, tracer.param, **inputs)
    outputs = result if isinstance(result, tuple) else (result,)
    cotangents = tuple(name for name, drawn in batch.items() if isinstance(drawn, Cotangent))
    constant = {name: symbol for name, symbol in tracer.params.items() if not tracer.draws[name].differentiable}
    if shared := batch.keys() & tracer.draws.keys():
        raise WorkloadError(f"{name}: {sorted(shared)} name both an input and a parameter")
    shapes = [output.shape for output in outputs]
    if not cotangents and shapes != [()]:
        raise WorkloadError(f"{name}: the loss must be a scalar, its shape is {shapes[0]}")
    if cotangents and shapes != [batch[name].spec.shape for name in cotangents]:
        raise WorkloadError(f"{name}: each output must have a cotangent of its shape, among {shapes}")
    if gradients != "params" and not any(drawn.differentiable for drawn in batch.values()):
        raise WorkloadError(f"gradients={gradients}: {name} has no input that can have one; choose params")
    graph = Graph(
        specs=tuple(tracer.specs),
        params={name: symbol.id for name, symbol in tracer.params.items() if name not in constant},
        inputs={name: symbol.id for name, symbol in (inputs | constant).items()},
        draws=batch | tracer.draws,
        calls=tuple(tracer.calls),
        outputs=tuple(output.id for output in outputs),
        cotangents=cotangents,
        gradients=gradients,
        frozen=frozenset(tracer.frozen),
    )
    if not graph.sources:
        raise WorkloadError(f"{name}: it has no parameter that is trained, so there is no backward pass")
    if unused := _unused(graph):
        raise WorkloadError(f"{name}: the loss does not depend on {', '.join(unused)}; leave out what nothing uses")
    return graph


def _unused(graph: Graph) -> list[str]:
    """The names of the sources that nothing on the way to the result takes."""
    used = set(graph.outputs)
    for call in reversed(graph.calls):
        if used.intersection(call.outputs):
            used.update(call.inputs)
    return [name for name, number in graph.sources.items() if number not in used]
