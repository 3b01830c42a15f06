"""A jitted function that is compiled once, at its first call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax


class Executable:
    """Calls `function` as one program for one set of shapes.

    The first call compiles; a later call with other shapes, types or devices raises instead of compiling again.
    `precision` is that of multiplies, as `jax.default_matmul_precision` takes it; `options` are the compiler's.
    The arguments at the positions `donate` are used up by each call.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        precision: str,
        options: Mapping[str, str | bool],
        donate: tuple[int, ...] = (),
    ) -> None:
        self._function = function
        self._donate = donate
        self._precision = precision
        self._options = options
        self._compiled: Any = None
        self.calls = 0

    def __call__(self, *arguments: Any) -> Any:
        if self._compiled is None:
            with jax.default_matmul_precision(self._precision):
                lowered = jax.jit(self._function, donate_argnums=self._donate).lower(*arguments)
            self._compiled = lowered.compile(compiler_options=dict(self._options))
        self.calls += 1
        return self._compiled(*arguments)

    def peak_bytes(self) -> int:
        """What the program needs on its device: arguments, outputs and temporaries, as the compiler planned them."""
        plan = self._compiled.memory_analysis()
        shared = plan.alias_size_in_bytes  # outputs that take the place of arguments
        return int(plan.argument_size_in_bytes + plan.output_size_in_bytes - shared + plan.temp_size_in_bytes)

    def hlo(self) -> str:
        """The optimised program that calls execute, as HLO text."""
        return self._compiled.as_text()

    def seen_flops(self) -> int:
        """XLA's own estimate: with elementwise operations, without padding's taps, and a loop's body once."""
        return int(self._compiled.cost_analysis().get("flops", 0))
