"""What torch.compile needs on a CPU beside torch: a C++ compiler that works."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import tempfile
import warnings
from functools import cache
from pathlib import Path

from ..base import Unsupported

_LONGEST_S = 120

# Like what inductor writes: it includes Python's headers, and its loops are OpenMP's.
_SOURCE = """
#include <Python.h>
#include <cmath>
#include <omp.h>
extern "C" double probe(double x) { return std::exp(x) * omp_get_max_threads(); }
"""


def require_compiler() -> None:
    """Raise Unsupported unless the C++ compiler that inductor would call is there and builds a small library.

    Without openssl, inductor is told to do without precompiled headers, which save time when it compiles.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the compiler still uses torch.jit
        from torch._inductor import config, exc
        from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        compiler = get_cpp_compiler()
    except (exc.InvalidCxxCompiler, OSError) as error:
        wanted = config.cpp.cxx[-1] if isinstance(config.cpp.cxx, (tuple, list)) else config.cpp.cxx
        raise Unsupported(
            f"torch: torch.compile needs a C++ compiler on a CPU, and {wanted} does not run; "
            "install g++, or set CXX to one"
        ) from error
    if refused := _refused(compiler):
        raise Unsupported(
            f"torch: torch.compile needs a C++ compiler on a CPU, and {compiler} cannot build a small library "
            f"({refused}); install g++ and Python's headers, or set CXX to a compiler that can"
        )
    if shutil.which("openssl") is None:  # which inductor calls for the checksum of a header that it compiles once
        config.cpp_cache_precompile_headers = False


@cache
def _refused(compiler: str) -> str:
    """Why the compiler builds nothing that could be loaded here, in a line; empty if it does."""
    with tempfile.TemporaryDirectory(prefix="twofold-") as folder:
        library = Path(folder) / "probe.so"
        flags = [
            "-shared",
            "-fPIC",
            "-fopenmp",
            f"-I{sysconfig.get_path('include')}",
            "-x",
            "c++",
            "-",
            "-o",
            str(library),
        ]
        try:
            built = subprocess.run(
                [compiler, *flags], input=_SOURCE, capture_output=True, text=True, timeout=_LONGEST_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return " ".join(str(error).split())
        if built.returncode == 0 and library.exists():
            return ""
        said = [line for line in built.stderr.splitlines() if "error" in line.lower()] or built.stderr.splitlines()
        return f"exit code {built.returncode}" + (f": {' '.join(said[0].split())[:200]}" if said else "")
