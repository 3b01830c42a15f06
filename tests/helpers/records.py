"""Records without a measurement."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from adapters.choices import DEFAULT
from harness.claims.claim import Claim, Prediction
from harness.claims.judge import judge_study
from harness.claims.rules import Flops, Matmuls, Time
from harness.claims.verdicts import StudyVerdict
from harness.records import calibration
from harness.records.record import Phase, Record
from tests.helpers.claims import BACKWARD, FORWARD, times
from tests.helpers.jobs import PLAIN

_BY_PHASE = (
    (re.compile(r"executed_(\w+)_(matmuls|flops)"), ""),
    (re.compile(r"first_(\w+)_(s)"), "first_"),
    (re.compile(r"(\w+)_(device_ms|kernels|peak_mib|joules)"), ""),
    (re.compile(r"(\w+)_(ms)"), ""),
    (re.compile(r"(forward|backward)_(matmuls|flops)"), "asked_"),
)


def set_metrics(record: Record, metrics: dict[str, float]) -> None:
    """Set numbers of a record, those of a phase too, by the names that MLflow has."""
    for name, value in metrics.items():
        for pattern, prefix in _BY_PHASE:
            if found := pattern.fullmatch(name):
                setattr(record.phases.setdefault(found[1], Phase()), prefix + found[2], value)
                break
        else:
            record.metrics[name] = value


@pytest.fixture
def record() -> Callable[..., Record]:
    """A plain record with some fields changed.

    `ratio=(low, centre, high)` is short for its metrics. `metrics` are added, and may be those of phases, under the
    names that MLflow has; `notes` are those of phases.
    """

    def make(
        ratio: tuple[float, float, float] | None = None,
        metrics: dict[str, float] | None = None,
        notes: dict[str, str] | None = None,
        **changes: Any,
    ) -> Record:
        numbers = PLAIN.metrics | (metrics or {})
        if ratio:
            numbers |= dict(zip(("ratio_low", "ratio", "ratio_high"), ratio, strict=True))
        made = replace(PLAIN, metrics={}, phases={name: replace(phase) for name, phase in PLAIN.phases.items()})
        set_metrics(made, numbers)
        for phase, note in (notes or {}).items():
            made.phases[phase].note = note
        return replace(made, **changes)

    return make


@pytest.fixture
def failed(record: Callable[..., Record]) -> Callable[..., Record]:
    """A record without times, as a variant leaves it that ended early."""

    def make(outcome: str, reason: str, **changes: Any) -> Record:
        made = record(outcome=outcome, reason=reason, stop=[], samples=[], **changes)
        made.metrics = {"ratio_flops": 5 / 3, "ratio_flops_asked": 5 / 3, "parameters": 100.0}
        made.phases = {"forward": Phase(), "backward": Phase()}
        return made

    return make


CLAIM = Claim(
    "A layer takes two.",
    "a comment",
    ("depth",),
    (
        Prediction("backward", "It takes 2 L - 1.", {}, Matmuls("backward", 2, -1)),
        Prediction("at_most", "It is at most 2.", {}, Flops(low=None, high=2, of=BACKWARD, over=FORWARD)),
        Prediction("clock", "It takes 1.5 at least.", {}, Time(low=1.5, high=None, of=BACKWARD, over=FORWARD)),
    ),
)


@pytest.fixture
def judged(record: Callable[..., Record]) -> StudyVerdict:
    """Verdicts on a claim: one of each kind of number, and one variant that is unsupported."""
    made = [record(), record(framework="jax", execution="jit"), record(framework="tf", outcome="unsupported")]
    for each, depth in zip(made, (3, 4, 3), strict=True):
        each.workload = {**each.workload, "sizes": {"depth": depth}}
        each.cell = each.framework
        each.samples = [{"seconds": {"forward": [1.0] * 48, "backward": [2.0] * 48}}]
        set_metrics(each, {"executed_forward_flops": 3.0, "executed_backward_flops": 5.0, "parameters": 9.0})
    return judge_study(CLAIM, made, ["x is missing"], calibration.assumed("here"))


@pytest.fixture
def variant(record: Callable[..., Record]) -> Callable[..., Record]:
    """A record of a network of so many layers, with times and counts of its own, and choices."""

    def make(
        backward: float = 2.0,
        depth: int = 3,
        framework: str = "torch",
        counts: dict[str, float] | None = None,
        samples: list[dict[str, Any]] | None = None,
        outcome: str = "ok",
        noise: str = "",
        **choices: Any,
    ) -> Record:
        made = record(framework=framework, outcome=outcome, noise=noise, metrics=counts)
        made.workload = {**made.workload, "sizes": {"batch": 32, "depth": depth, "width": 64}}
        made.choices = asdict(DEFAULT) | choices
        made.samples = times(backward) if samples is None else samples
        made.cell = f"mlp-{depth}.cpu.{made.variant}"
        return made

    return make
