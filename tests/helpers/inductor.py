"""Torch's compiler without what takes longest: the C++ of each kernel, or trials of this CPU's instructions."""

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


# Torch takes the instructions that this CPU names, without compiling and loading a library for each of them first.
INSTRUCTIONS_AS_NAMED = {"TORCHINDUCTOR_VEC_ISA_OK": "1"}


@contextlib.contextmanager
def instructions_as_named() -> Iterator[None]:
    """The same in this process, which may have read its environment already."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the compiler still uses torch.jit
        from torch._inductor import config

    with config.patch({"cpp.vec_isa_ok": True}):
        yield
