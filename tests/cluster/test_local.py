"""Sweeps through `hydra/launcher=submitit_local`: the way to SLURM and back; and what is refused here."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.queue import PLUGIN, Slurm, queue_name, queue_of
from harness.errors import UserError
from tests.helpers.sweeps import TINY, Sweep

LOCALLY = ["hydra/launcher=submitit_local", *TINY[:5], "measure.budget_s=0.2", "measure.warm_s=0.05", "variants=numpy"]
SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("gres", "gpus_per_node", "gpus_per_task")),
    "submitit_folder": "/nowhere",
    "additional_parameters": {},
}


def settings(launcher: str) -> dict[str, Any]:
    return SETTINGS | {"_target_": f"{PLUGIN}.submitit_launcher.{launcher}"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_each_workload_is_a_job_and_what_is_lost_is_measured_by_the_same_command(sweep: Sweep, tmp_path: Path) -> None:
    python = tmp_path / "python"
    command = [*LOCALLY, "seed=0,1", f"frameworks.numpy.interpreters.cpu={python}"]
    code, printed = sweep.run(*command)
    lost = [line for line in printed.splitlines() if line.startswith("missing: ")]
    assert code == 1 and len(lost) == 2, printed
    for line in lost:
        assert f"numpy: its interpreter {python} is not there; set frameworks.numpy.interpreters.cpu" in line
        assert line.endswith("; the same command submits it again")

    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    code, printed = sweep.run(*command)
    assert code == 0, printed
    assert "2 jobs on this machine, one after the other" in printed
    before = sweep.of_cells()
    assert len(before) == 2 and {record.outcome for record in before.values()} == {"ok"}
    assert len(sweep.runs("adhoc", "variant")) == 2 and len(sweep.runs("adhoc", "summary")) == 1

    again, kept = sorted(before)
    (sweep.results / "records" / "adhoc" / "main" / f"{again}.json").unlink()
    code, printed = sweep.run(*command)
    assert code == 0, printed
    assert "1 of 2 variants already measured and kept" in printed and "1 job on this machine" in printed
    assert len(sweep.of_cells()) == 2 and sweep.of_cells()[kept].id == before[kept].id


def test_what_is_refused_before_anything_is_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"^hydra/launcher=submitit_slurm: there is no SLURM here \(no sbatch\); "):
        queue_of(settings("SlurmLauncher"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"LocalLauncher is not installed for .*; install hydra-submitit-launcher, or "):
        queue_of(settings("LocalLauncher"))


def test_other_launchers_are_hydras_own_matter() -> None:
    assert queue_of({"_target_": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"}) is None


def test_a_device_of_its_own_is_chosen_where_the_job_runs(sweep: Sweep) -> None:
    code, printed = sweep.run("hydra/launcher=submitit_local", "variants=numpy")
    assert code == 2
    assert printed == (
        "twofold: device=auto: what a cluster's nodes have is not known here; choose device=cpu or device=cuda\n"
    )


@pytest.mark.parametrize(
    ("asked", "alone"),
    [
        ({}, True),
        ({"gres": "gpu:1"}, None),
        ({"gpus_per_node": 1}, None),
        ({"additional_parameters": {"exclusive": "user"}}, None),
    ],
)
def test_a_job_is_alone_on_its_node_unless_it_has_a_device_of_its_own(
    asked: dict[str, Any], alone: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    queue = queue_of(settings("SlurmLauncher") | asked)
    assert isinstance(queue, Slurm)
    assert queue.parameters.get("slurm_exclusive") == alone
    assert queue.parameters["slurm_use_srun"] is False


def test_two_sweeps_have_two_names_and_one_folder_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "records" / "why" / "main"
    assert queue_name(folder).startswith("twofold-why-main-")
    assert queue_name(folder) != queue_name(tmp_path / "other" / "records" / "why" / "main")
    monkeypatch.chdir(tmp_path)
    assert queue_name(Path("records/why/main")) == queue_name(folder)
