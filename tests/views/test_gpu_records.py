"""What an NVIDIA H200 said of the default study's models: the records that README.md quotes, and their table."""

from __future__ import annotations

import pytest

from harness.paths import ROOT
from harness.records.record import Record, read
from harness.views.table import Table

RECORDS = [read(path) for path in sorted((ROOT / "tests/data/h200").glob("*.json"))]


def test_each_was_measured_on_the_gpu_and_agrees_with_the_oracle() -> None:
    assert {record.machine["gpus"][0].partition(",")[0] for record in RECORDS} == {"NVIDIA H200"}
    assert {record.outcome for record in RECORDS} == {"ok"}
    assert max(record.metrics["gradient_error"] for record in RECORDS) < 1e-5


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.cell)
def test_the_gpu_works_for_less_time_than_the_wall_clock_says(record: Record) -> None:
    for phase in record.phases.values():
        assert phase.device_ms and phase.ms and 0 < phase.device_ms < phase.ms
        assert phase.kernels and phase.peak_mib and phase.kernels > 0 and phase.peak_mib > 0


def test_the_table_marks_them_host_bound_once() -> None:
    remarks = [line for line in Table.of(RECORDS).remarks() if "host-bound" in line]
    assert len(remarks) == 1
    assert remarks[0].count("by its own time backward / forward is") == len(RECORDS)


def test_the_readme_quotes_them() -> None:
    readme = (ROOT / "README.md").read_text()
    for framework, execution in (("torch", "eager"), ("torch", "compile"), ("jax", "jit")):
        row = [
            f"{record.metrics['ratio']:.2f}, {record.metrics['ratio_device']:.2f}"
            for model in ("mlp", "resnet18", "gpt2")
            for record in RECORDS
            if (record.model, record.framework, record.execution) == (model, framework, execution)
        ]
        assert f"| H200: {framework} {execution} | {' | '.join(row)} |" in readme
