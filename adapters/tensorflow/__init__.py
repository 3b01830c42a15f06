"""TensorFlow without Keras layers: eager, graph (`tf.function`) and xla (`jit_compile=True`)."""

from . import environment  # noqa: F401  (first, for TensorFlow reads it when it is imported)
from .adapter import Adapter

__all__ = ["Adapter"]
