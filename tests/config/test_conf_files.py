"""Every YAML in `conf/` composes to a job that could run on the right machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from omegaconf import DictConfig

from harness.config import device
from harness.config.expand import job_from
from harness.job import Job
from harness.workload.ops import CATALOGUE
from harness.workload.own import NAME as OWN
from tests.helpers.typed import planned

CONF = Path(__file__).parents[2] / "conf"
GROUPS = {
    folder.name: sorted(path.stem for path in folder.glob("*.yaml"))
    for folder in sorted(CONF.iterdir())
    if folder.is_dir() and folder.name not in ("framework", "hydra")
}
STUDIES = sorted(str(path.relative_to(CONF / "study").with_suffix("")) for path in CONF.rglob("study/**/*.yaml"))
OPTIONS = [(group, option) for group, options in GROUPS.items() for option in options]


@pytest.fixture(autouse=True)
def with_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which every device can be had, and memory enough."""
    monkeypatch.setattr(device, "gpus", lambda: ["A GPU, 1.0"])
    monkeypatch.setattr(device, "memory_bytes", lambda: 2**40)


def settings_of(composed: Callable[..., DictConfig], chosen: dict[str, Any]) -> Job:
    """TF32 asks for a GPU, no study names a precision, and a model of one's own needs a function that builds it."""
    on_gpu = {"device": "cuda"} if chosen.get("precision") == "tf32" else {}
    built = ["model.keras=package.module:build"] if chosen.get("model") == OWN else []
    return job_from(composed(*(f"{group}={option}" for group, option in (chosen | on_gpu).items()), *built))


def test_the_defaults_are_a_job(composed: Callable[..., DictConfig]) -> None:
    assert isinstance(settings_of(composed, {}), Job)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_of_every_group_is_a_job(composed: Callable[..., DictConfig], group: str, option: str) -> None:
    assert isinstance(settings_of(composed, {group: option}), Job)


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_every_study_is_a_sweep_of_jobs(hydra_is_there: None, study: str) -> None:
    for sweep in planned(f"study={study}", "device=cpu"):
        assert sweep.cells


def test_the_atlas_has_every_op_of_the_catalogue_in_every_execution(composed: Callable[..., DictConfig]) -> None:
    (sweep,) = planned("study=atlas", "device=cpu")
    assert {job.workload.label for job in sweep.jobs} == set(CATALOGUE)
    every = settings_of(composed, {"variants": "all"}).variants
    assert all(job.variants == every for job in sweep.jobs)


@pytest.mark.slow
@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.fixed_dictionaries({g: st.sampled_from(o) for g, o in GROUPS.items() if g != "study"}))
def test_options_of_different_groups_go_together(composed: Callable[..., DictConfig], chosen: dict[str, str]) -> None:
    assume(not (chosen["model"] == OWN and chosen["variants"] == "numpy"))
    job = settings_of(composed, chosen)
    assert job.measure.name == chosen["measure"]
    assert job.workload.precision == chosen["precision"]


@pytest.mark.parametrize("framework", [path.stem for path in (CONF / "framework").glob("*.yaml")])
def test_every_framework_file_is_in_the_config_under_its_name(
    composed: Callable[..., DictConfig], framework: str
) -> None:
    job = settings_of(composed, {})
    assert job.frameworks[framework].executions
    assert set(job.frameworks[framework].interpreters) == {"cpu", "cuda"}


def test_all_variants_are_all_executions_of_the_three_frameworks(composed: Callable[..., DictConfig]) -> None:
    job = settings_of(composed, {"variants": "all"})
    expected = {(name, e) for name, f in job.frameworks.items() if name != "numpy" for e in f.executions}
    assert {(v.framework, v.execution) for v in job.variants} == expected


@pytest.mark.parametrize("option", [o for o in GROUPS["variants"] if o != "all"])
def test_every_other_choice_of_variants_is_smaller(composed: Callable[..., DictConfig], option: str) -> None:
    every = settings_of(composed, {"variants": "all"}).variants
    assert 0 < len(settings_of(composed, {"variants": option}).variants) < len(every)


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONF)))
def test_every_file_says_what_it_is_for(path: Path) -> None:
    said = [line for line in path.read_text().splitlines() if "#" in line and "@package" not in line]
    assert said or path.parent.name in ("variants", "framework")


def test_device_auto_is_the_gpu_where_there_is_one_else_the_cpu(
    composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings_of(composed, {"device": "auto"}).device.name == "cuda"
    monkeypatch.setattr(device, "gpus", list)
    assert settings_of(composed, {"device": "auto"}).device.name == "cpu"


def test_threads_are_every_cpu_unless_given(
    composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {3, 5, 7})
    assert settings_of(composed, {}).device.threads == 3
    assert settings_of(composed, {"device.threads": 2}).device.threads == 2
