"""One workload under `jax.jit`: each phase is one compiled program of parameters and inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax import Array

from harness.workload.trace import Graph

from .. import hlo
from ..base import PHASES, Choices, Executed
from . import ops, rules
from .phase import Phase


class JitProgram:
    """`arrays` and `directions` are on the device; `compiled` makes a phase of a function."""

    def __init__(
        self,
        graph: Graph,
        arrays: Mapping[str, Array],
        compiled: Callable[..., Phase],
        choices: Choices,
        directions: dict[str, Array],
    ) -> None:
        self._graph = graph
        self.phases = (*PHASES, "tangent") if directions else PHASES
        rule = rules.reverse(graph, ops, choices) if choices.autodiff == "reverse" else rules.by_hand(graph, choices)
        sources = {name: arrays[name] for name in graph.sources}
        self._arguments = sources, {name: array for name, array in arrays.items() if name not in sources}
        self._directions = directions
        self._inference = compiled(rule.loss)
        self._forward = compiled(rule.split.forward)
        self._backward = compiled(rule.split.backward)
        self._gradient = compiled(rule.gradient)
        self._tangent = compiled(
            lambda sources, rest, along: jax.jvp(lambda wanted: rule.loss(wanted, rest), (sources,), (along,))
        )

    def parameters(self) -> dict[str, Array]:
        """Those that are trained."""
        return {name: array for name, array in self._arguments[0].items() if name in self._graph.params}

    def inference(self) -> Array:
        return self._inference(*self._arguments)

    def forward(self) -> tuple[Array, list[Array]]:
        return self._forward(*self._arguments)

    def backward(self, kept: tuple[Array, list[Array]]) -> dict[str, Array]:
        return self._backward(kept[1], *self._arguments)

    def gradient(self) -> tuple[Array, dict[str, Array]]:
        return self._gradient(*self._arguments)

    def tangent(self) -> tuple[Array, Array]:
        return self._tangent(*self._arguments, self._directions)

    def export(self, gradients: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {name: np.asarray(gradient, np.float32) for name, gradient in gradients.items()}

    def residual_bytes(self, kept: tuple[Array, list[Array]]) -> int:
        return sum(array.nbytes for array in kept[1])

    def executed(self) -> dict[str, Executed]:
        phases: dict[str, Phase] = {name: getattr(self, f"_{name}") for name in self.phases}
        return {name: replace(hlo.executed(phase.hlo()), seen=phase.seen_flops()) for name, phase in phases.items()}
