"""TensorFlow without Keras layers: eager, graph (`tf.function`) and xla (`jit_compile=True`)."""

import os

# Read when TensorFlow is imported, so they come first. A GPU's memory grows as needed instead of being taken whole.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
if (_kernels := os.environ.get("TWOFOLD_KERNELS", "native")) != "native":
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = {"onednn": "1", "plain": "0"}[_kernels]

from .adapter import Adapter

__all__ = ["Adapter"]
