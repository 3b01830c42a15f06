"""One workload under `jax.jit`: each phase is one compiled program of parameters and inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
from jax import Array

from ..base import Executed, Unsupported
from ..choices import Choices
from ..common import hlo
from ..common.program import Core, CoreRequest, Plain
from ..profiled import Times
from . import cudnn_attention, ops
from .autodiff import reverse
from .departures import FUSED
from .executable import Executable
from .manual import by_hand
from .mixed import wide
from .profiled import numbered, profiled
from .split import Arrays, DifferentiationRule


class Jitted(Plain):
    """A program for each phase of a rule."""

    def _compile(
        self, rule: DifferentiationRule, sources: Arrays, rest: Arrays, executable: Callable[..., Executable]
    ) -> None:
        """Make a phase of each function of the rule; they are called with `sources` and `rest`."""
        self._arguments = sources, rest
        self._inference = executable(rule.loss)
        self._forward = executable(rule.split.forward)
        self._backward = executable(rule.split.backward)
        self._gradient = executable(rule.gradient)

    def inference(self) -> Array:
        return self._inference(*self._arguments)

    def forward(self) -> tuple[Array, list[Array]]:
        return self._forward(*self._arguments)

    def backward(self, kept: tuple[Array, list[Array]]) -> dict[str, Array]:
        return self._backward(kept, *self._arguments)

    def gradient(self) -> tuple[Array, dict[str, Array]]:
        return self._gradient(*self._arguments)

    def export(self, gradients: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {name: np.asarray(wide(gradient)) for name, gradient in gradients.items()}

    def residual_bytes(self, kept: tuple[Array, list[Array]]) -> int:
        return sum(array.nbytes for array in kept[1])

    def executed(self) -> dict[str, Executed]:
        phases: dict[str, Executable] = {name: getattr(self, f"_{name}") for name in self.phases}
        return {name: replace(hlo.executed(phase.hlo()), seen=phase.seen_flops()) for name, phase in phases.items()}


class Compiled(Jitted, Core):
    """`request` has its arrays on the device; `executable` makes a phase of a function."""

    def __init__(
        self, request: CoreRequest, choices: Choices, mixed: bool, executable: Callable[..., Executable]
    ) -> None:
        super().__init__(request)
        catalogue = SimpleNamespace(
            **vars(ops) | ({"attention": cudnn_attention.attention} if choices.attention in FUSED else {})
        )
        self._differentiate = partial(reverse, request.graph, residuals=choices.residuals, mixed=mixed)
        self._catalogue, self._executable, self._autodiff = catalogue, executable, choices.autodiff
        rule = (
            self._differentiate(catalogue)
            if choices.autodiff == "reverse"
            else by_hand(request.graph, choices.autodiff, mixed)
        )
        sources = {name: request.arrays[name] for name in request.graph.sources}
        rest = {name: array for name, array in request.arrays.items() if name not in sources}
        self._compile(rule, sources, rest, executable)
        self._tangent = executable(
            lambda sources, rest, along: jax.jvp(lambda wanted: rule.loss(wanted, rest), (sources,), (along,))
        )

    def tangent(self) -> tuple[Array, Array]:
        return self._tangent(*self._arguments, self._directions)

    def profiled(self, passes: int) -> list[Times]:
        if self._autodiff != "reverse":
            raise Unsupported(f"jax: with autodiff={self._autodiff} the compiled program does not name its ops")
        if jax.tree.leaves(self._arguments)[0].device.platform != "cpu":
            raise Unsupported("jax: its profiler's record of a GPU is not read")
        rule = self._differentiate(numbered(self._catalogue, self._graph))
        return profiled(rule, self._graph, self._arguments, self._executable, passes)
