"""Types of tensors."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def narrow(x: Tensor) -> Tensor:
    """The tensor in bf16, if its elements are numbers that are rounded."""
    return tf.cast(x, tf.bfloat16) if x.dtype.is_floating else x


def float32(x: Tensor) -> Tensor:
    """The tensor in float32, itself if it is."""
    return x if x.dtype == tf.float32 else tf.cast(x, tf.float32)
