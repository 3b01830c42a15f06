"""Environment variables that change which kernels a framework runs, or how it runs them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_PREFIXES = (
    *("TF_", "TENSORFLOW_", "XLA_", "JAX_", "PYTORCH_", "ATEN_", "NPY_"),  # frameworks
    *("TORCH_", "TORCHINDUCTOR_", "TORCHDYNAMO_"),
    *("OMP_", "KMP_", "GOMP_", "MKL_", "ONEDNN_", "DNNL_", "OPENBLAS_", "CUBLAS_", "NVIDIA_TF32_OVERRIDE"),
    "LD_PRELOAD",  # another OpenMP, another BLAS
)

# Exceptions: workers use this program's own cache folders, and some variables that begin with TF_ are Terraform's.
_IGNORED_PREFIXES = (
    "TORCHINDUCTOR_CACHE_DIR",
    "JAX_COMPILATION_CACHE_DIR",
    *(f"TF_{name}" for name in ("CLI_", "DATA_DIR", "HTTP_", "INPUT", "IN_AUTOMATION", "LOG", "PLUGIN_", "REGISTRY")),
    *(f"TF_{name}" for name in ("STATE", "TOKEN_", "VAR_", "WORKSPACE")),
)

# A variable that may hold a secret, or an address with a user in it, never enters a record.
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|API_?KEY|_KEY=|_KEY_ID|://[^/\s]*@", re.IGNORECASE)


def kernel_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that change kernels and are set, by name. Secrets are left out."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if name.startswith(_PREFIXES) and not name.startswith(_IGNORED_PREFIXES) and not may_be_secret(name, value)
    }


def may_be_secret(name: str, value: str) -> bool:
    """Return True if a variable may hold a secret, or an address with a user in it."""
    return bool(_SECRET.search(f"{name}={value}"))


def differences(a: dict[str, str] | None, b: dict[str, str] | None) -> list[tuple[str, str, str]]:
    """List the variables that differ, each with its value in a and in b. None stands for an unrecorded environment."""
    if a is None or b is None:
        in_a, in_b = ("not known" if environment is None else "known" for environment in (a, b))
        return [("environment", in_a, in_b)] if in_a != in_b else []
    names = [name for name in sorted(a | b) if a.get(name) != b.get(name)]
    return [(name, a.get(name, "not set"), b.get(name, "not set")) for name in names]
