"""Two environments in one sweep: what is launched, what a record says, what is measured again, and what is refused."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.job import Device, Environment, Job
from harness.measure.launch import environment
from harness.measure.machine.description import describe
from harness.records.record import read, records
from harness.sweep import preflight
from harness.sweep.outstanding import outstanding
from harness.sweep.run import conditions, launch
from harness.views.environments import environments
from harness.views.table import remarks, variant
from harness.workload.workload import Workload
from tests.helpers.jobs import EAGER, finished, job_of
from tests.helpers.sweeps import TINY, Sweep

PLAIN = replace(EAGER, environment=Environment("plain"))
OFF = replace(EAGER, environment=Environment("off", None, (("TF_X", "0"),)))


@pytest.fixture
def job(tiny: Workload, tmp_path: Path) -> Job:
    return job_of(tiny, tmp_path, variants=(PLAIN, OFF), device=Device("cpu", 1, "kept"))


def test_a_worker_gets_the_variables_and_a_compile_cache_of_its_environment(job: Job) -> None:
    plain, off = (environment(launch(job, v), conditions(job)) for v in (PLAIN, OFF))
    assert "TF_X" not in plain and off["TF_X"] == "0"
    assert plain["TWOFOLD_CACHE_DIR"] != off["TWOFOLD_CACHE_DIR"]
    assert plain["MALLOC_MMAP_MAX_"] == off["MALLOC_MMAP_MAX_"] == "0"


def test_a_change_of_an_environment_measures_its_cells_again(job: Job, record: Callable[..., Any]) -> None:
    for made in (PLAIN, OFF):
        kept = finished(job, made, record())
        kept.environment = kept.environment | dict(made.environment.variables)
        kept.write(job.folder)
    assert outstanding(job, describe()) == {}
    other = replace(OFF, environment=replace(OFF.environment, variables=(("TF_X", "1"),)))
    assert outstanding(replace(job, variants=(PLAIN, other)), describe()) == {other: "because TF_X was 0 and is 1"}


def python_at(path: Path, options: str = "") -> str:
    """An executable that is this Python, with some options."""
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {options} "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_of_another_path_is_another_build(job: Job, record: Callable[..., Any], tmp_path: Path) -> None:
    here = replace(EAGER, environment=Environment("here", python_at(tmp_path / "one")))
    finished(job, here, record()).write(job.folder)
    assert outstanding(replace(job, variants=(here,)), describe()) == {}
    moved = replace(here, environment=Environment("here", python_at(tmp_path / "other")))
    (why,) = outstanding(replace(job, variants=(moved,)), describe()).values()
    assert why == f"because interpreter was {tmp_path}/one and is {tmp_path}/other"


def test_an_interpreter_without_the_framework_is_refused_before_anything_is_measured(job: Job, tmp_path: Path) -> None:
    bare = python_at(tmp_path / "bare", "-I -S")
    for python, said in (
        ("/nowhere/python", "torch: its interpreter /nowhere/python is not there; set environments.old.interpreter"),
        (bare, f"torch is not installed for {bare}; set environments.old.interpreter to a Python that has torch"),
    ):
        old = replace(EAGER, environment=Environment("old", python))
        with pytest.raises(UserError) as refused:
            preflight.check([replace(job, variants=(EAGER, old))])
        assert str(refused.value).startswith(said)


def test_tables_tell_environments_apart_and_say_what_they_are(record: Callable[..., Any]) -> None:
    made = [
        record(environment_name="plain", environment={"TF_Y": "1"}, versions={"torch": "2.13"}),
        record(environment_name="off", environment={"TF_Y": "1", "TF_X": "0"}, versions={"torch": "2.12"}),
    ]
    assert [variant(each) for each in made] == ["torch eager @plain", "torch eager @off"]
    assert environments(made) == ["@plain: torch 2.13", "@off: TF_X=0, torch 2.12"]
    assert "@off: TF_X=0, torch 2.12" in remarks(made)
    assert environments([record()]) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_sweep_measures_environments_in_the_same_rounds(sweep: Sweep) -> None:
    code, printed = sweep.run("variants=numpy", *TINY, "environments={a:{},b:{NPY_DISABLE_CPU_FEATURES:AVX512F}}")
    assert code == 0, printed
    found = {record.environment_name: record for record in map(read, records(sweep.results / "records/adhoc/main"))}
    assert found.keys() == {"a", "b"}
    assert found["a"].rounds == found["b"].rounds != ""
    assert found["b"].environment["NPY_DISABLE_CPU_FEATURES"] == "AVX512F"
    assert "numpy by_hand @a" in printed and "@b: NPY_DISABLE_CPU_FEATURES=AVX512F" in printed
    named = {run.data.params["environment"] for run in sweep.runs("adhoc", "variant")}
    assert named == {"a", "b"}
    code, printed = sweep.run("variants=numpy", *TINY, "environments={a:{},b:{NPY_DISABLE_CPU_FEATURES:AVX512F}}")
    assert code == 0 and "2 of 2 variants already measured" in printed
