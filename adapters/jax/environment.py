"""The variables that jax reads when it is imported."""

import os

# Measured memory is what the workload takes, not what a pool took in advance.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
