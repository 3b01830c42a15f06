"""What all adapter tests share."""

from __future__ import annotations

import warnings

import pytest


@pytest.fixture(autouse=True, scope="module")
def torch_as_it_was():
    """Torch's settings are those of the process; other tests compute with torch too."""
    import torch

    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def no_code_generation():
    """Torch's compiled graphs run op by op: all of torch.compile but its last and slowest part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from adapters.torch import compiled
    from torch._functorch.aot_autograd import make_boxed_func

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "compile_fx_inner", lambda module, *_, **__: make_boxed_func(module.forward))
        yield
