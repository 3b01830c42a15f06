"""The variables that jax reads when it is imported."""

import os

# Replicas on a CPU are devices of one process, whose number is asked for before the first is used.
if (replicas := os.environ.get("TWOFOLD_REPLICAS", "1")) != "1":
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={replicas}".strip()
# Measured memory is what the workload takes, not what a pool took in advance.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
