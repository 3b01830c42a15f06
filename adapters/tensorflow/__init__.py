"""TensorFlow without Keras layers: eager, graph (`tf.function`) and xla (`jit_compile=True`)."""

import os

# Read when TensorFlow is imported, so they come first. A GPU's memory grows as needed instead of being taken whole.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

from .adapter import Adapter

__all__ = ["Adapter"]
