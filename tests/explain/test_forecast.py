"""An explanation takes as long as the last one of its cell, or as long as it may; and so do the ceilings it lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.explain.ceilings import conditions_of
from harness.explain.forecast import IMPORT_S, NETWORK_COMPILE_S, explaining_s
from harness.explain.measure_probes import IN_TURN_S
from harness.explain.networks import network
from harness.explain.probes import kinds_of
from harness.explain.replay import PARTS_S, WHOLE_S
from harness.job import Job
from harness.measure.machine.description import describe, identity
from harness.records.ceilings import Ceilings, Probe, store
from harness.workload.workload import Workload
from tests.helpers.jobs import COMPILE, EAGER, job_of


@pytest.fixture
def job(tiny: Workload, tmp_path: Path) -> Job:
    return job_of(tiny, tmp_path)


def version(variant: object) -> str:
    return "1.0"


def explained(job: Job, sweep: str, content: str) -> None:
    folder = job.results / "records" / job.study / sweep
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{job.cell(COMPILE)}.explain.json").write_text(content)


def allowed(job: Job) -> None:
    """Store ceilings of torch's eager and compiled ops, so that nothing is lacking."""
    kinds = (*kinds_of(job.traced), *kinds_of(network("layers", "fp32")))
    probes = tuple(Probe(str(kind), "", (), {}) for kind in dict.fromkeys(kinds))
    store(job.results, identity(describe()), Ceilings(conditions_of(job, EAGER, version), {}, probes))
    store(job.results, identity(describe()), Ceilings(conditions_of(job, COMPILE, version), {}, (), {"layers": {}}))


def test_what_was_explained_before_takes_as_long_again(job: Job) -> None:
    allowed(job)
    never = explaining_s(job, [COMPILE], version)
    assert never > PARTS_S + 2 * WHOLE_S + IMPORT_S
    explained(job, "main", json.dumps({"took_s": 12.5}))
    assert explaining_s(job, [COMPILE], version) == 12.5
    assert explaining_s(job, [COMPILE, COMPILE], version) == 25


@pytest.mark.parametrize("content", ["{}", '{"took_s": 1', "[]", '{"took_s": null}'])
def test_an_explanation_that_does_not_say_how_long_it_took_is_no_example(content: str, job: Job) -> None:
    never = explaining_s(job, [COMPILE], version)
    explained(job, "main", content)
    assert explaining_s(job, [COMPILE], version) == never


def test_ceilings_that_are_there_take_no_time_and_those_that_two_variants_need_are_measured_once(job: Job) -> None:
    eager, compiled, both = (explaining_s(job, ones, version) for ones in ([EAGER], [COMPILE], [EAGER, COMPILE]))
    assert eager + compiled - both >= IN_TURN_S
    allowed(job)
    assert both - explaining_s(job, [EAGER, COMPILE], version) > IN_TURN_S + NETWORK_COMPILE_S
