"""Torch's compiler without what takes longest: the C++ of each kernel."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def no_code_generation() -> Iterator[None]:
    """What is compiled meanwhile runs op by op: traced, differentiated and decomposed, but not fused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the compiler still uses torch.jit
        from adapters.torch import executable
    from torch._functorch.aot_autograd import make_boxed_func

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executable, "compile_fx_inner", lambda module, *_, **__: make_boxed_func(module.forward))
        yield
