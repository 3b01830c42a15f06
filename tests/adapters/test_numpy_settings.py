"""What NumPy's adapter says of the library that multiplies for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from adapters.numpy import Adapter
from harness.paths import ROOT

DESCRIBE = "from adapters.numpy import Adapter; print(Adapter('cpu', 1, 'fp32').describe()['blas'])"


def test_the_kernels_of_openblas_are_those_that_it_chose() -> None:
    """Its variable chooses others."""
    described = Adapter("cpu", 1, "fp32").describe()["blas"]
    if "openblas" not in described or "," not in described:
        pytest.skip(f"NumPy multiplies with {described} here")
    environment = os.environ | {"OPENBLAS_CORETYPE": "Nehalem"}
    asked = subprocess.run(
        [sys.executable, "-c", DESCRIBE], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert asked.stdout.strip() == f"{described.partition(',')[0]}, Nehalem"
