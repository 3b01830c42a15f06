"""One workload under `jax.jit`: each phase is one compiled program of parameters and inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from harness.workload.interpret import interpreter
from harness.workload.trace import Graph

from .. import hlo
from ..base import PHASES, Executed
from . import ops
from .phase import Phase
from .split import Split


class JitProgram:
    """`arrays` are on the device; `compiled` makes a phase of a function."""

    def __init__(self, graph: Graph, arrays: Mapping[str, Array], compiled: Callable[..., Phase]) -> None:
        self._graph = graph
        run = interpreter(graph, ops)

        def loss(sources: dict[str, Array], rest: dict[str, Array]) -> Array:
            # The interpreter looks parameters and inputs up by name, each among its own.
            everything = rest | sources
            return run(everything, everything).astype(jnp.float32)

        sources = {name: arrays[name] for name in graph.sources}
        self._arguments = sources, {name: arrays[name] for name in graph.inputs if name not in sources}
        split = Split(loss)
        self._inference = compiled(loss)
        self._forward = compiled(split.forward)
        self._backward = compiled(split.backward)
        # With the value, else XLA would delete the end of forward.
        self._gradient = compiled(jax.value_and_grad(loss))

    def inference(self) -> Array:
        return self._inference(*self._arguments)

    def forward(self) -> tuple[Array, list[Array]]:
        return self._forward(*self._arguments)

    def backward(self, kept: tuple[Array, list[Array]]) -> dict[str, Array]:
        return self._backward(kept[1], *self._arguments)

    def gradient(self) -> tuple[Array, dict[str, Array]]:
        return self._gradient(*self._arguments)

    def export(self, gradients: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {name: np.asarray(gradient, np.float32) for name, gradient in gradients.items()}

    def residual_bytes(self, kept: tuple[Array, list[Array]]) -> int:
        return sum(array.nbytes for array in kept[1])

    def executed(self) -> dict[str, Executed]:
        phases = (self._inference, self._forward, self._backward, self._gradient)
        counted = {
            name: replace(hlo.executed(phase.hlo()), seen=phase.seen_flops())
            for name, phase in zip(PHASES, phases, strict=True)
        }
        return hlo.annotated(counted, self._graph)
