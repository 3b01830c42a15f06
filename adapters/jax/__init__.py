"""jax, compiled with `jax.jit`."""

from . import environment  # noqa: F401  (first, for jax reads it when it is imported)
from .adapter import Adapter

__all__ = ["Adapter"]
