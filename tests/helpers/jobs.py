"""A job as a config describes it, and the record that it leaves, without a config or a measurement."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from adapters.choices import DEFAULT
from harness.job import Device, Framework, Job, Measure, Tracking, Variant
from harness.measure.machine.description import describe
from harness.measure.machine.environment import kernel_variables
from harness.records.record import Phase, Record
from harness.sweep.provenance import versions
from harness.workload.any_workload import AnyWorkload

PLAIN = Record(
    id="0123",
    created="2026-01-02T03:04:05.678+00:00",
    study="study",
    sweep="main",
    cell="mlp-00000000.cpu.torch-eager",
    model="mlp",
    workload={
        "name": "mlp",
        "sizes": {"batch": 32, "depth": 3, "width": 64, "inputs": None},
        "precision": "fp32",
        "seed": 7,
        "gradients": "params",
    },
    device="cpu",
    threads=2,
    memory="kept",
    framework="torch",
    execution="eager",
    choices=asdict(DEFAULT),
    outcome="ok",
    metrics={
        "ratio": 1.8125,
        "ratio_low": 1.75,
        "ratio_high": 1.875,
        "ratio_flops": 5 / 3,
        "ratio_flops_asked": 5 / 3,
        "ratio_marginal": 1.9375,
        "gradient_error": 2.5e-7,
    },
    phases={"forward": Phase(ms=1.234, matmuls=3), "backward": Phase(ms=2.345, matmuls=5)},
    interval="process to process",
    stop=["target"],
    described={"torch": "2.13"},
    machine={
        "cpu": "Quick 3000",
        "instructions": "avx avx2",
        "cpus": 2,
        "memory_gib": 8.0,
        "system": "Linux 6",
        "gpus": [],
    },
    harness={"version": "0.1.0", "commit": "c0ffee"},
    measure={"name": "quick", "trials": 1},
    samples=[{"seconds": {"forward": [0.001, 0.002]}, "wall": [0.1, 0.2]}],
)

EAGER, COMPILE, JIT = Variant("torch", "eager"), Variant("torch", "compile"), Variant("jax", "jit")


def job_of(workload: AnyWorkload, results: Path, **changes: Any) -> Job:
    """On two threads, in torch eager and compile."""
    job = Job(
        study="study",
        sweep="main",
        workload=workload,
        device=Device("cpu", 2, "kept"),
        variants=(EAGER, COMPILE),
        measure=Measure("quick", 1, 0.02, 8.0, 5.0, 600.0),
        tracking=Tracking(None),
        frameworks={
            "torch": Framework(("eager", "compile"), {}, cached=("compile",)),
            "jax": Framework(("jit",), {}, cached=("jit",)),
        },
        results=results,
    )
    return replace(job, **changes)


def finished(job: Job, variant: Variant, record: Record) -> Record:
    """The record as the job leaves it on this machine."""
    return replace(
        record,
        cell=job.cell(variant),
        measure=asdict(job.measure),
        threads=job.device.threads,
        machine=describe(),
        environment=kernel_variables(),
        versions=versions(job, variant),
    )
