"""What all adapter tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.helpers import inductor


@pytest.fixture(autouse=True, scope="module")
def torch_as_it_was() -> Iterator[None]:
    """Torch's settings are those of the process; other tests compute with torch too."""
    import torch

    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True, scope="module")
def jax_as_it_was() -> Iterator[None]:
    """Whether jax has float64 is a setting of the process, which an adapter of precision fp64 leaves on."""
    yield
    if jax := sys.modules.get("jax"):
        jax.config.update("jax_enable_x64", False)


@pytest.fixture(scope="module", name="no_code_generation")
def _no_code_generation() -> Iterator[None]:
    """See `inductor.py`."""
    with inductor.no_code_generation():
        yield
