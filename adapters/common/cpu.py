"""Which instructions the CPU has, as Linux names them, and the level of them at which oneDNN works."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

# oneDNN's names, as ONEDNN_MAX_CPU_ISA takes them, and what each level needs beside the one before. It works at the
# highest that the CPU has and that the variable allows, which may go by another name, or be for 8 and 16 bits only.
_ONEDNN_LEVELS = {
    "SSE41": {"sse4_1"},
    "AVX": {"avx"},
    "AVX2": {"avx2"},
    "AVX512_CORE": {"avx512f", "avx512bw", "avx512vl", "avx512dq"},
    "AVX512_CORE_VNNI": {"avx512_vnni"},
    "AVX512_CORE_BF16": {"avx512_bf16"},
    "AVX512_CORE_FP16": {"avx512_fp16", "avx_vnni"},
    "AVX512_CORE_AMX": {"amx_tile", "amx_int8", "amx_bf16"},
}
_ALSO = {
    "AVX2_VNNI": "AVX2",
    "AVX2_VNNI_2": "AVX2",
    "AVX10_1_512": "AVX512_CORE_FP16",
    "AVX10_1_512_AMX": "AVX512_CORE_AMX",
}


@cache
def described() -> dict[str, str]:
    """What Linux says of the first CPU, by its own names for it."""
    first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def instructions() -> frozenset[str]:
    """The instruction sets that the first CPU has; `flags` on x86, `Features` on ARM."""
    known = described()
    return frozenset((known.get("flags") or known.get("Features", "")).split())


def onednn_level() -> str:
    """The instruction set that oneDNN works with in this process; empty on a CPU that is not an x86."""
    asked = (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "").upper()
    highest, level = _ALSO.get(asked, asked), ""
    for name, needed in _ONEDNN_LEVELS.items():
        if not needed <= instructions():
            break
        level = name
        if name == highest:
            break
    return level
