"""Sweeps on a real SLURM of two nodes: what its jobs leave is gathered, what they do not is submitted again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.processes import eventually
from tests.helpers.slurm import Slurm
from tests.helpers.sweeps import TINY, Sweep

pytestmark = [
    pytest.mark.external,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.xdist_group("slurm"),
]

ON_SLURM = ["hydra/launcher=submitit_slurm", "tracking=off", *TINY[:5], "measure.budget_s=0.2", "measure.warm_s=0.05"]
FAKE = [*ON_SLURM, "variants=numpy", "variants.numpy=[]"]


@pytest.fixture(autouse=True)
def queue(slurm: Slurm) -> Iterator[None]:
    """Nothing is left in it."""
    yield
    slurm.ask("scancel", "--user=root")
    eventually(lambda: not slurm.ask("squeue", "--noheader"))


def running_jobs(sweep: Sweep) -> dict[str, int]:
    """The processes that measure a workload of a sweep on a node, by the number of their job."""
    processes = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            pairs = [line.partition("=") for line in (folder / "environ").read_bytes().decode().split("\0")]
        except OSError:
            continue
        variables = {name: value for name, _, value in pairs}
        ours = words[1:4] == ["-m", "harness", "-m"] and f"results='{sweep.results}'" in words
        if ours and "SLURM_ARRAY_TASK_ID" in variables:
            job = f"{variables['SLURM_ARRAY_JOB_ID']}_{variables['SLURM_ARRAY_TASK_ID']}"
            processes[job] = int(folder.name)
    return processes


def begun(sweep: Sweep, but: str = "") -> tuple[str, int]:
    """A job that has begun, and the number of its process."""
    eventually(lambda: running_jobs(sweep).keys() - {but})
    return next((job, process) for job, process in running_jobs(sweep).items() if job != but)


def test_of_ten_jobs_two_fail_and_the_same_command_measures_those_two(sweep: Sweep, slurm: Slurm) -> None:
    command = [*FAKE, "seed=range(10)"]
    process = sweep.start(*command, fake="sleepy")
    killed, number = begun(sweep)
    os.kill(number, 9)
    cancelled, _ = begun(sweep, but=killed)
    slurm.ask("scancel", cancelled)
    printed, _ = process.communicate(timeout=400)
    assert process.returncode == 1, printed
    eight = sweep.of_cells()
    lines = printed.splitlines()
    assert len(eight) == 8
    assert {record.outcome for record in eight.values()} == {"ok"}
    lost = [line for line in lines if line.startswith("missing: ")]
    assert len(lost) == 2
    assert any(f"lost with job {killed} (FAILED on " in line and "was ended by SIGKILL" in line for line in lost), lost
    assert any(f"lost with job {cancelled} (CANCELLED on " in line for line in lost), lost
    assert all(line.endswith("; the same command submits it again") for line in lost)
    assert sum(line.startswith("variant ") for line in lines) == 1, "one table"
    assert not any("Traceback" in line for line in lines)

    code, printed = sweep.run(*command, fake="sleepy")
    assert code == 0, printed
    assert "8 of 10 variants already measured and kept" in printed
    assert "2 jobs on SLURM" in printed
    ten = sweep.of_cells()
    assert len(ten) == 10
    assert {cell: record.id for cell, record in eight.items()}.items() <= {c: r.id for c, r in ten.items()}.items()

    code, printed = sweep.run(*command, fake="sleepy")
    assert code == 0 and "on SLURM" not in printed


def test_what_an_earlier_command_has_in_the_queue_is_awaited_and_not_submitted_again(sweep: Sweep) -> None:
    command = [*FAKE, "seed=range(5)"]
    first = sweep.start(*command, fake="sleepy")
    begun(sweep)
    first.kill()
    first.wait()
    code, printed = sweep.run(*command, fake="sleepy")
    assert code == 0, printed
    assert "jobs of an earlier command are still in the queue" in printed
    assert "5 of 5 variants already measured and kept" in printed
    assert len({record.created for record in sweep.of_cells().values()}) == 5
    assert len(list(sweep.results.glob("hydra/*/.submitit/*/*_log.out"))) == 5


def test_a_node_of_another_kind_measures_nothing(sweep: Sweep) -> None:
    assert sweep.run(*FAKE, "seed=0", fake="sleepy")[0] == 0
    path = sweep.results / "records" / "adhoc" / "main" / "machine.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"processor": "another"}))
    for record in path.parent.glob("mlp-*.json"):
        content = json.loads(record.read_text())
        content["machine"]["processor"] = "another"
        record.write_text(json.dumps(content))
    code, printed = sweep.run(*FAKE, "seed=0,1", fake="sleepy")
    assert code == 1
    assert "1 of 2 variants already measured and kept" in printed
    (lost,) = [line for line in printed.splitlines() if line.startswith("missing: ")]
    assert "is of another kind than those that" in lost and "(processor is " in lost and ", not another)" in lost
    assert len(sweep.of_cells()) == 1
    code, printed = sweep.run(*FAKE, "seed=0,1", "redo=all", fake="sleepy")
    assert code == 0 and len(sweep.of_cells()) == 2, printed


def test_a_folder_that_no_node_sees_is_named(sweep: Sweep, slurm: Slurm) -> None:
    sweep.results = slurm.hidden / "results"
    code, printed = sweep.run(*FAKE, "seed=0,1", fake="sleepy")
    assert code == 2
    assert printed.splitlines()[-1] == (
        f"twofold: results={sweep.results}: the nodes do not see it (none of 2 jobs could write its log there); "
        "choose results=FOLDER on storage that they share"
    )


def test_what_slurm_refuses_it_says_in_one_sentence(sweep: Sweep) -> None:
    code, printed = sweep.run(*FAKE, "hydra.launcher.partition=nowhere", fake="sleepy")
    assert code == 2
    *_, said = printed.splitlines()
    assert said.startswith("twofold: hydra/launcher=submitit_slurm: slurm refuses the jobs (")
    assert "nvalid partition" in said and said.endswith("change hydra.launcher's keys, or ask sinfo what there is")
    assert "Traceback" not in printed and "sbatch: error" not in printed.replace(said, "")


def test_what_a_node_lacks_it_says_in_its_log_and_the_sweep_repeats_it(sweep: Sweep) -> None:
    here = ["variants=jax", "frameworks.jax.interpreters.cpu=/bin/false"]
    code, printed = sweep.run(*ON_SLURM, *here)
    assert code == 2 and "1 job on SLURM" not in printed, "it is known here"
    assert printed.splitlines()[-1].startswith("twofold: jax is not installed for /bin/false; ")
    code, printed = sweep.run(*ON_SLURM, "variants=jax", "frameworks.jax.interpreters.cpu=/on/nodes/python")
    assert code == 1
    (lost,) = [line for line in printed.splitlines() if line.startswith("missing: ")]
    assert "twofold: jax: its interpreter /on/nodes/python is not there; set frameworks.jax.interpreters.cpu" in lost


def test_jobs_take_the_keys_of_hydras_launcher(sweep: Sweep, slurm: Slurm) -> None:
    process = sweep.start(*FAKE, "hydra.launcher.timeout_min=7", "hydra.launcher.comment=hello", fake="hangs-1")
    eventually(lambda: slurm.ask("squeue", "--noheader", "--states=RUNNING"))
    told = slurm.ask("scontrol", "--oneliner", "show", "job")
    assert " TimeLimit=00:07:00 " in told and " Comment=hello" in told and " OverSubscribe=NO" in told
    time.sleep(1)
    process.kill()
