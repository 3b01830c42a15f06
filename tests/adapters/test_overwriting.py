"""What empties a GPU's caches, on the CPU that each framework has as well: every element of a buffer is written."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

SIZE = 2**16


@pytest.mark.parametrize("framework", ["torch", "jax", "tensorflow"])
def test_every_call_writes_all_bytes_of_the_buffer(framework: str) -> None:
    adapter = importlib.import_module(f"adapters.{framework}").Adapter("cpu", 1, "fp32")
    overwrite = adapter.overwriting(SIZE)
    for times in (1, 2, 3):
        buffer = overwrite()
        adapter.wait(buffer)
        assert np.asarray(buffer).nbytes == SIZE
        assert set(np.asarray(buffer).tolist()) == {float(times)}
