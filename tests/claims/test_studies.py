"""The eleven claims in `conf/study/why/`: they can be run in time, and what they predict of counts meets the trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hydra import initialize_config_dir

from adapters.base import EXTRA_PHASES, PHASES
from adapters.choices import Choices
from harness.claims.judge import facts, judge_study
from harness.claims.rules import COUNTED
from harness.claims.verdicts import Ruling
from harness.job import Job
from harness.records import calibration
from harness.records.record import Record
from harness.sweep.sweep import Sweep
from harness.workload.cost import phase_work
from tests.helpers.typed import planned

ROOT = Path(__file__).parents[2]

# What a claim says of counts, and the trace refutes.
REFUTED = {
    ("flops", "exactly_2"),
    ("caching", "local_gradients"),
    ("scalar_nodes", "operations"),
    ("third_operation", "native"),
    ("third_operation", "by_hand"),
    ("attention", "fused"),  # the trace computes no scores again; a fused kernel does
}


@pytest.fixture(scope="module")
def studies() -> dict[str, Sweep]:
    """The plan of each claim's study, by its name."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        sweeps = planned("study=why", "device=cpu", "device.threads=2", "results=/nowhere")
    return {sweep.jobs[0].study.removeprefix("why_"): sweep for sweep in sweeps}


@pytest.fixture(scope="module", autouse=True)
def two_cores() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
        yield


NAMES = sorted(path.stem for path in (ROOT / "conf/study/why").glob("*.yaml"))


@pytest.mark.slow
def test_why_runs_every_claim_in_under_25_minutes(studies: dict[str, Sweep]) -> None:
    assert sorted(studies) == NAMES and len(NAMES) == 11
    assert sum(plan.forecast.seconds for plan in studies.values()) < 25 * 60


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_claim_takes_under_3_minutes_in_all_three_frameworks(studies: dict[str, Sweep], name: str) -> None:
    plan = studies[name]
    assert plan.forecast.seconds < 180
    assert {v.framework for job in plan.jobs for v in job.variants} == {"torch", "jax", "tensorflow"}
    assert {job.measure.name for job in plan.jobs} == {"brief"}
    assert plan.jobs[0].study == f"why_{name}"


def measured(job: Job, choices: Choices) -> list[str]:
    """The phases that a program has."""
    sides = [p for p in EXTRA_PHASES if p.endswith(("inputs", "params"))] if job.workload.gradients == "both" else []
    update, tangent = ["update"] * (choices.optimizer != "none"), ["tangent"] * choices.tangent
    return [*PHASES, *sides, *update, *tangent]


@pytest.fixture
def traced(record: Callable[..., Record]) -> Callable[[Sweep], list[Record]]:
    """Records of a plan, as they would be if each framework executed what the trace says; nothing is timed."""

    def make(plan: Sweep) -> list[Record]:
        found = []
        for job in plan.jobs:
            graph = job.workload.graph
            assert graph is not None
            for variant in job.variants:
                choices = variant.choices
                work = phase_work(graph, choices.residuals, choices.autodiff)
                counts = {f"executed_{phase}_matmuls": float(w.matmuls) for phase, w in work.items()}
                counts |= {f"executed_{phase}_flops": float(w.flops) for phase, w in work.items()}
                counts["parameters"] = float(graph.parameter_count)
                made = record(framework=variant.framework, execution=variant.execution, metrics=counts)
                made = replace(made, choices=asdict(choices), workload=job.workload.as_dict())
                made.samples = [{"seconds": {phase: [1.0] for phase in measured(job, choices)}}]
                found.append(made)
        return found

    return make


@pytest.mark.parametrize("name", NAMES)
def test_every_prediction_speaks_of_something_that_is_measured(
    studies: dict[str, Sweep], traced: Callable[[Sweep], list[Record]], name: str
) -> None:
    plan, records = studies[name], traced(studies[name])
    assert plan.claim is not None
    for said in plan.claim.predictions:
        asked = [r for r in records if said.where.items() <= facts(r).items() and said.rule.concerns(r)]
        assert {record.framework for record in asked} == {"torch", "jax", "tensorflow"}, said.name
        phases = {*getattr(said.rule, "of", ()), *getattr(said.rule, "over", ())}
        assert all(phases <= record.samples[0]["seconds"].keys() for record in asked), said.name


@pytest.mark.parametrize("name", NAMES)
def test_the_trace_bears_out_what_is_predicted_of_counts(
    studies: dict[str, Sweep], traced: Callable[[Sweep], list[Record]], name: str
) -> None:
    claim = studies[name].claim
    assert claim is not None
    for verdict in judge_study(claim, traced(studies[name]), [], calibration.assumed("")).verdicts:
        if verdict.kind == COUNTED:
            expected = Ruling.FAILS if (name, verdict.prediction) in REFUTED else Ruling.HOLDS
            assert verdict.ruling is expected, (verdict.prediction, verdict.why)
