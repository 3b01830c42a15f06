"""XLA as most tests use it: without its optimiser of machine code, which takes most of the time of compiling."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PLAIN_CODE = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"


@contextmanager
def plain_code(framework: str) -> Iterator[None]:
    """Have the XLA of a framework that is used here for the first time in this process generate plain machine code.

    What is computed, in which types and by which multiplies, is decided before; fewer elementwise ops are fused.
    `XLA_FLAGS` that are set already are left as they are: `test_optimised.py` has the code that users get, and so has
    every sweep that a test starts. XLA reads the variable once, so it is unset again, and no child process inherits it.
    """
    if "XLA_FLAGS" in os.environ:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", PLAIN_CODE)
        yield
        _have_it_read(framework)


@functools.cache
def _have_it_read(framework: str) -> None:
    """Compile something."""
    if framework == "jax":
        import jax

        jax.jit(lambda: 1.0)()
    elif framework == "tensorflow":
        import tensorflow as tf

        tf.function(lambda: tf.zeros(()) + 1, jit_compile=True)()
