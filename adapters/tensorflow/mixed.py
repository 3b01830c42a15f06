"""Tensors of several types: what is cast to bf16, and what is kept wide."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def narrow(x: Tensor) -> Tensor:
    """The tensor in bf16, if its elements are numbers that are rounded."""
    return tf.cast(x, tf.bfloat16) if x.dtype.is_floating else x


def wide(x: Tensor) -> Tensor:
    """The tensor in float32 at least, itself if it is."""
    return x if x.dtype in (tf.float32, tf.float64) else tf.cast(x, tf.float32)
