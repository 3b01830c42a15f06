"""What a machine allows is measured once per variant and conditions, and what is predicted from it comes true."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.explain import bench
from harness.explain import ceilings as ceilings_module
from harness.explain.ceilings import stored
from harness.explain.measure_probes import fastest_agree, measure_missing
from harness.explain.networks import network, network_of
from harness.explain.parts import distinct_parts
from harness.explain.predict import predict, predictions
from harness.job import Device, Framework, Job, Variant
from harness.measure.clock import Samples
from harness.measure.launch import Conditions, Launch
from harness.records.record import Phase
from harness.workload.workload import Workload
from tests.fakes.adapters.planted import ELEMENT_S, FLOP_S, OP_S, WHOLE_S
from tests.helpers.jobs import PLAIN, job_of
from tests.helpers.small_models import small_model

NETWORK = Workload.of("mlp", {"batch": 64, "depth": 3, "width": 64})
HONEST, SLOW_DW = Variant("planted", "honest"), Variant("planted", "slow_dw")

Ensure = Callable[[Job], list[str]]  # measures what a job lacks, and returns what was said


def version(variant: Variant) -> str:
    return "1.0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results that all of these tests share: probes take seconds."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def job(folder: Path) -> Job:
    framework = Framework(("honest", "slow_dw"), {})
    return job_of(
        NETWORK, folder, variants=(HONEST,), frameworks={"planted": framework}, device=Device("cpu", 1, "kept")
    )


@pytest.fixture
def takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "OP_BY_OP", ("honest",))


@pytest.fixture
def ensure(fake_python: str, folder: Path) -> Ensure:
    def run(job: Job) -> list[str]:
        cpus = sorted(os.sched_getaffinity(0))
        conditions = Conditions(job.device, job.measure, "fp32", cpus, folder)
        said: list[str] = []

        def launch(variant: Variant) -> Launch:
            return Launch("planted", variant.execution, {}, fake_python, folder / "log")

        measure_missing(job, launch, conditions, version, said.append)
        return said

    return run


def true_seconds(workload: Workload) -> tuple[float, float]:
    """What the planted framework takes for forward and backward, by its own numbers."""
    forward = backward = WHOLE_S
    for part in distinct_parts(workload):
        forward += part.count * (OP_S + part.forward.flops * FLOP_S)
        forward += 0 if part.forward.flops else part.count * part.forward.elements * ELEMENT_S
        sides = [work for work in (part.dx, part.dw) if work]
        backward += part.count * (OP_S + sum(work.flops * FLOP_S for work in sides))
        backward += 0 if part.forward.flops else part.count * sum(work.elements * ELEMENT_S for work in sides)
    return forward, backward


@pytest.mark.slow
def test_they_are_measured_once_and_an_op_that_was_not_tried_alone_later(job: Job, ensure: Ensure) -> None:
    (said,) = ensure(job)
    first = "planted honest: first measuring what this machine allows it, by 3 ops alone and a network at other sizes"
    assert said == first
    assert not ensure(job)
    other = replace(job, workload=Workload.of("op", {"op": "silu"}))
    assert "by 1 op alone" in ensure(other)[0]
    assert not ensure(job), "those of the first workload are still there"


def test_a_slow_compiler_has_the_ops_alone_of_another_execution_and_a_network_of_its_own(
    job: Job, ensure: Ensure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceilings_module, "LENDERS", {("planted", "slow_dw"): "honest"})
    compiled = replace(job, variants=(SLOW_DW,), results=tmp_path)
    assert [text.partition(": first measuring what this machine allows it, ")[::2] for text in ensure(compiled)] == [
        ("planted honest", "by 3 ops alone at other sizes"),
        ("planted slow_dw", "by a network at other sizes"),
    ]
    assert not ensure(compiled)
    ceilings = stored(compiled, SLOW_DW, version)
    assert ceilings and ceilings.probes and ceilings.networks.keys() == {"layers"}
    predicted = predict(SLOW_DW, distinct_parts(NETWORK), ceilings)
    forward, backward = true_seconds(NETWORK)
    slow = sum(part.count * part.dw.flops * FLOP_S * 0.25 for part in distinct_parts(NETWORK) if part.dw)
    assert predicted and slow > 0.1 * backward
    assert (predicted.forward_s, predicted.backward_s) == pytest.approx((forward, backward + slow), rel=0.05)
    assert not predict(SLOW_DW, distinct_parts(NETWORK), replace(ceilings, networks={"layers": {}}))


def test_a_whole_is_predicted_to_differ_from_its_parts_as_a_network_does(job: Job, ensure: Ensure) -> None:
    ensure(job)
    ceilings, parts = stored(job, HONEST, version), distinct_parts(NETWORK)
    assert ceilings
    measured = ceilings.networks["layers"]
    assert tuple(measured.values()) == pytest.approx(true_seconds(network("layers", "fp32")), rel=0.05)
    plain = predict(HONEST, parts, replace(ceilings, networks={}))
    fused = {"forward": measured["forward"] / 2, "backward": measured["backward"] * 3}
    predicted = predict(HONEST, parts, replace(ceilings, networks={"layers": fused}))
    assert plain and predicted
    assert predicted.forward_s == pytest.approx(plain.forward_s / 2, rel=0.05)
    assert predicted.backward_s == pytest.approx(plain.backward_s * 3, rel=0.05)
    other = {"convolutions": fused, "layers": {}}  # another kind of workload, and a network that could not be measured
    assert predict(HONEST, parts, replace(ceilings, networks=other)) == plain


@pytest.mark.parametrize(
    ("model", "expected"),
    [("mlp", "layers"), ("resnet18", "convolutions"), ("gpt2", "attention"), ("lstm", "layers"), ("vit", "attention")],
)
def test_the_network_of_a_workload_has_its_dearest_kind_of_op(model: str, expected: str) -> None:
    workload = Workload(model, small_model(model))
    assert network_of(call.op for call in workload.graph.calls) == expected


@pytest.mark.parametrize(
    "change",
    [{"variants": (SLOW_DW,)}, {"device": Device("cpu", 2, "kept")}, {"device": Device("cpu", 1, "returned")}],
    ids=str,
)
def test_other_conditions_have_ceilings_of_their_own(job: Job, ensure: Ensure, change: dict[str, object]) -> None:
    ensure(job)
    changed = replace(job, **change)  # type: ignore[arg-type]
    assert stored(job, HONEST, version)
    assert not stored(changed, changed.variants[0], version)
    assert not stored(job, HONEST, lambda variant: "2.0")


def test_a_network_is_predicted_before_anything_of_it_is_measured(job: Job, ensure: Ensure) -> None:
    ensure(job)
    ceilings = stored(job, HONEST, version)
    assert ceilings
    small, large = ({"batch": 2, "depth": 2, "width": 4}, {"batch": 128, "depth": 6, "width": 96})
    for workload in (NETWORK, Workload.of("mlp", small), Workload.of("mlp", large)):
        predicted = predict(HONEST, distinct_parts(workload), ceilings)
        assert predicted
        assert (predicted.forward_s, predicted.backward_s) == pytest.approx(true_seconds(workload), rel=0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("takes_turns")
def test_probes_that_are_timed_in_turn_predict_as_well_and_copies_are_among_them_once(
    job: Job, ensure: Ensure, tmp_path: Path
) -> None:
    fresh = replace(job, results=tmp_path)
    ensure(fresh)
    ensure(replace(fresh, workload=Workload.of("op", {"op": "silu"})))
    ceilings = stored(fresh, HONEST, version)
    assert ceilings
    shapes = [(probe.kind, probe.shape) for probe in ceilings.probes]
    assert len(shapes) == len(set(shapes)) and not any(probe.reason for probe in ceilings.probes)
    predicted = predict(HONEST, distinct_parts(NETWORK), ceilings)
    assert predicted
    assert (predicted.forward_s, predicted.backward_s) == pytest.approx(true_seconds(NETWORK), rel=0.05)


def test_nothing_is_predicted_without_ceilings_or_where_backward_computes_more(job: Job, ensure: Ensure) -> None:
    ensure(job)
    recomputed = replace(HONEST, choices=replace(HONEST.choices, residuals="all"))
    assert predictions(job, [HONEST, SLOW_DW, recomputed], version).keys() == {HONEST}
    ceilings = stored(job, HONEST, version)
    assert ceilings and not predict(recomputed, distinct_parts(NETWORK), ceilings)
    assert not predict(HONEST, distinct_parts(NETWORK), replace(ceilings, probes=()))


def test_a_framework_that_cannot_be_started_is_told_and_left_out(job: Job, ensure: Ensure) -> None:
    absent = replace(job, workload=Workload.of("op", {"op": "tanh"}), results=job.results / "other")
    said = ensure(replace(absent, measure=replace(job.measure, deadline_s=1e-9)))
    assert "no ceilings (" in said[-1]
    assert not stored(absent, HONEST, version)


@pytest.mark.parametrize(
    ("backward", "agree"),
    [([2.0, 9.0, 2.05, 2.1], True), ([2.0, 9.0, 2.05, 2.2], False), ([2.0, 2.0], False)],
)
def test_a_probe_is_measured_until_its_three_fastest_cycles_agree(backward: list[float], agree: bool) -> None:
    assert fastest_agree(Samples({"forward": [1.0, 5.0, 1.0, 1.0], "backward": backward})) == agree


def test_errors_are_relative_to_what_was_measured(job: Job, ensure: Ensure) -> None:
    ensure(job)
    predicted = predictions(job, [HONEST], version)[HONEST]
    numbers = predicted.metrics(PLAIN)
    assert numbers["predicted_ratio_error"] == pytest.approx(predicted.ratio / PLAIN.metrics["ratio"] - 1)
    assert numbers["predicted_forward_error"] == pytest.approx(1e3 * predicted.forward_s / 1.234 - 1)
    assert not any(math.isnan(value) for value in numbers.values())
    failed = replace(PLAIN, metrics={}, phases={"forward": Phase(), "backward": Phase()})
    assert predicted.metrics(failed).keys() == {"predicted_ratio", "predicted_forward_s", "predicted_backward_s"}
