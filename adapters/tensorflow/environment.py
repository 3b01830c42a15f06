"""Imports TensorFlow, once the variables that it reads then are set."""

import os

from ..common.optional_packages import hidden

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# A GPU's memory grows as needed instead of being taken whole.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
REPLICAS = int(os.environ.get("TWOFOLD_REPLICAS", "1"))  # devices to make, or to see, before the first op
if (kernels := os.environ.get("TWOFOLD_KERNELS", "native")) != "native":
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = {"onednn": "1", "plain": "0"}[kernels]

# Of what TensorFlow and Keras load where they find it, no program needs these, and they take half of the time.
with hidden("jax", "matplotlib", "pandas", "sklearn"):
    import tensorflow  # noqa: F401
