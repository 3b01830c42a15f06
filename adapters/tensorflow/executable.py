"""A traced function, plain or compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


class Executable:
    """A `tf.function` of flat tensors, traced once: another shape is an error, not a new trace.

    Called by its flat form: tf.function's own call checks and packs every argument anew, which for a hundred
    residuals takes longer than many a model.
    """

    def __init__(self, body: Callable[..., Any], arguments: Sequence[tf.TensorSpec], jit: bool) -> None:
        self.jit = jit
        self._function = tf.function(body, autograph=False, jit_compile=jit)
        self.concrete = self._function.get_concrete_function(*arguments)
        self._call = self.concrete.inference_fn.call_flat
        self._captured = tuple(self.concrete.captured_inputs)

    def __call__(self, *arguments: tf.Tensor) -> list[tf.Tensor]:
        return self._call(*arguments, *self._captured)

    def hlo(self, *arguments: tf.Tensor) -> str:
        """The optimised program that XLA makes of it."""
        return self._function.experimental_get_compiler_ir(*arguments)(stage="optimized_hlo")
