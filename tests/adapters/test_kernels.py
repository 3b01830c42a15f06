"""A choice of kernels, in real workers of a real sweep: oneDNN itself says whether it computes, and at which level."""

from __future__ import annotations

import pytest

from tests.helpers.sweeps import TINY, Sweep

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

CONVOLUTION = ["device=cpu", "model=op", "model.op=conv2d", "model.batch=4", "model.image=16", "model.channels=32"]
QUICK = ["measure.trials=1", "measure.budget_s=1", "measure.warm_s=0.3", "tracking=off"]
KERNELS = ("native", "onednn", "plain")

# What oneDNN announces of each level, the first that is found; two versions of it word some of them differently.
ANNOUNCED = {
    "Intel AMX": "AVX512_CORE_AMX",
    "with float16": "AVX512_CORE_FP16",
    "AVX 10.1": "AVX512_CORE_FP16",
    "bfloat16": "AVX512_CORE_BF16",
    "AVX-512 with Intel DL Boost": "AVX512_CORE_VNNI",
    "AVX-512": "AVX512_CORE",
    "AVX2": "AVX2",
    "AVX": "AVX",
    "SSE4.1": "SSE41",
}


def test_a_choice_of_kernels_is_what_computes_and_what_the_record_says(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker each: TensorFlow reads its switch when it is imported."""
    monkeypatch.setenv("ONEDNN_VERBOSE", "1")
    variants = ["variants=numpy", "variants.torch=[eager]", "variants.tensorflow=[graph]"]
    code, printed = sweep.run(*variants, *CONVOLUTION, *QUICK, "choices.kernels=[native,onednn,plain]")
    assert code == 0, printed
    found = {(record.framework, record.choices["kernels"]): record for record in sweep.records().values()}
    assert [found["numpy", kernels].outcome for kernels in KERNELS] == ["ok", "unsupported", "unsupported"]
    for framework in ("torch", "tensorflow"):
        for kernels in KERNELS:
            record = found[framework, kernels]
            said = (sweep.results / "logs" / "adhoc" / "main" / f"{record.cell}.log").read_text()
            computes = "primitive,exec,cpu,convolution," in said
            assert record.described["onednn"] == ("on" if computes else "off")
            assert kernels == "native" or computes == (kernels == "onednn")
            assert record.environment and record.environment["ONEDNN_VERBOSE"] == "1"
            if "info,cpu,isa:" in said:
                assert record.described["onednn_instructions"] == level_announced(said)


def test_a_sweep_in_another_environment_measures_again_and_says_why(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def announced() -> str:
        code, printed = sweep.run("variants=numpy", *TINY, "tracking=off")
        assert code == 0, printed
        return printed

    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    announced()
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    why = "because TF_ENABLE_ONEDNN_OPTS was not set and is 0"
    assert f"1 to measure again, {why}" in announced()
    (record,) = sweep.records().values()
    assert record.remeasured == why
    assert "1 of 1 variant already measured and kept" in announced()


def level_announced(said: str) -> str:
    line = next(line for line in said.splitlines() if "info,cpu,isa:" in line)
    return next(level for words, level in ANNOUNCED.items() if words in line)
