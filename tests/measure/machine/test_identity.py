"""What is said of a machine: two CPUs that would run other kernels are two machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapters.common import cpu
from harness.measure.machine.description import describe, identity

MILAN = {"vendor_id": "AuthenticAMD", "cpu family": "25", "model": "1", "model name": "AMD EPYC", "stepping": "1"}
MILAN["flags"] = "fpu sse4_1 sse4_2 avx f16c fma avx2"
GENOA = MILAN | {"flags": f"{MILAN['flags']} avx512f avx512bw avx512vl avx512dq avx512_vnni avx512_bf16"}
SAPPHIRE = GENOA | {"flags": f"{GENOA['flags']} avx_vnni avx512_fp16 amx_bf16 amx_tile amx_int8"}
GRAVITON = {"CPU implementer": "0x41", "CPU part": "0xd40", "Features": "fp asimd crc32 sve bf16 i8mm"}

Description = Callable[[dict[str, str]], dict[str, Any]]  # of a machine, by what its CPU is known by


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Description:
    """`on(cpu)`: how the machine is described with that CPU in it."""

    def described(known: dict[str, str]) -> dict[str, Any]:
        monkeypatch.setattr(cpu, "described", lambda: known)
        return describe()

    return described


def test_this_cpu_is_described() -> None:
    described = describe()
    assert described["cpu"] and described["instructions"] and ", family " in described["processor"]
    assert set(described["instructions"].split()) <= cpu.instructions()


def test_instructions_and_model_make_another_machine_and_stepping_none(
    on: Description,
) -> None:
    identities = [identity(on(known)) for known in (MILAN, GENOA, MILAN | {"model": "17"}, GRAVITON)]
    assert len(set(identities)) == 4
    assert identity(on(MILAN | {"stepping": "2"})) == identities[0]
    assert on(MILAN)["instructions"] == "avx avx2 f16c fma sse4_1 sse4_2"
    assert on(MILAN)["processor"] == "AuthenticAMD, family 25, model 1"
    assert on(GRAVITON)["instructions"] == "asimd bf16 i8mm sve"


@pytest.mark.parametrize(
    ("known", "asked", "level"),
    [
        (MILAN, "", "AVX2"),
        (GENOA, "", "AVX512_CORE_BF16"),
        (SAPPHIRE, "", "AVX512_CORE_AMX"),
        (SAPPHIRE, "avx10_1_512", "AVX512_CORE_FP16"),
        (SAPPHIRE, "AVX2_VNNI", "AVX2"),
        (SAPPHIRE, "nonsense", "AVX512_CORE_AMX"),
        (MILAN, "AVX512_CORE", "AVX2"),
        (GRAVITON, "", ""),
    ],
)
def test_the_level_of_onednn_follows_the_cpu_and_its_variable(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, str], asked: str, level: str
) -> None:
    monkeypatch.setattr(cpu, "described", lambda: known)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", asked)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    assert cpu.onednn_level() == level
