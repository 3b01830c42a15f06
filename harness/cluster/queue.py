"""The queue that jobs wait in: SLURM's, or processes on this machine, which have none. Both through submitit."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import importlib.util
import io
import itertools
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..errors import UserError
from . import node

PLUGIN = "hydra_plugins.hydra_submitit_launcher"  # the module whose launchers Hydra's users choose

# Keys of `hydra.launcher` that submitit knows for every queue; it wants the others with the queue's name before them.
_COMMON = ("timeout_min", "cpus_per_task", "gpus_per_node", "mem_gb", "nodes", "tasks_per_node")

# Keys that mean something else here: a sweep's jobs have its name and one log each, and are never submitted by submitit
# a second time.
_OTHER = ("_target_", "submitit_folder", "name", "stderr_to_stdout", "max_num_timeout", "signal_delay_s")

_OF_A_DEVICE = ("gres", "gpus_per_node", "gpus_per_task")  # a job that has a device of its own may have neighbours


@dataclass(frozen=True)
class Task:
    """One workload to be measured somewhere: its overrides, its device, and the folder of its sweep's records."""

    overrides: tuple[str, ...]
    device: str
    folder: Path

    @property
    def name(self) -> str:
        """The name that the jobs of this task's sweep have in the queue."""
        return queue_name(self.folder)


def queue_name(folder: Path) -> str:
    """Name the jobs of the sweep with this folder; no other sweep's jobs have that name."""
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    return f"twofold-{folder.parent.name}-{folder.name}-{digest}"


@dataclass(frozen=True)
class End:
    """How a job ended, in a few words; `blind` if its node could not write a log, hence does not see the results."""

    how: str
    blind: bool = False


class Queue(Protocol):
    """Takes tasks, and tells which are waiting or running. A job is known by its number, such as `12_3`."""

    name: str
    batch: int  # the most tasks to submit together; the next ones are submitted when fewer are left

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Submit tasks. Returns their jobs, in order. Raises UserError if the queue refuses them."""

    def jobs(self, names: Iterable[str]) -> set[str]:
        """Return the jobs of the sweeps with these names that are waiting or running."""

    def waits_for(self) -> str:
        """Say why none of the jobs has begun that `jobs` returned last; empty if one has, or if nobody knows."""

    def end(self, job: str) -> End:
        """Tell how a job ended that left no record."""


class _Submitit:
    """Submits through submitit with the keys of `hydra.launcher`, as Hydra's plugin does; but waits for nothing."""

    name: str
    batch: int

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Prepare; nothing is submitted. `settings` are the resolved values of `hydra.launcher`."""
        ours = {key: value for key, value in settings.items() if key not in _OTHER and value is not None}
        self.parameters = {k if k in _COMMON else f"{self.name}_{k}": value for k, value in ours.items()}
        self._folder = str(settings["submitit_folder"])
        self._logs: dict[str, Path] = {}
        self._submitted: list[Any] = []

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Submit tasks, those of one sweep together. Returns their jobs, in order. Raises UserError."""
        import submitit  # takes a while, and only a cluster needs it
        from submitit.core.utils import FailedJobError

        jobs = []
        for name, group in itertools.groupby(tasks, key=lambda task: task.name):
            of_sweep = list(group)
            columns = zip(*[(task.folder, task.device, task.overrides) for task in of_sweep], strict=True)
            try:
                executor = submitit.AutoExecutor(folder=self._folder, cluster=self.name)
                executor.update_parameters(name=name, stderr_to_stdout=True, **self.parameters)
                jobs += executor.map_array(node.measure, *columns)
            except (FailedJobError, NameError, TypeError, ValueError) as error:
                lines = [line.strip() for line in str(error).splitlines() if line.strip()]
                refusals = [line.partition("error: ")[2] for line in lines if "error: " in line]
                raise UserError(
                    f"hydra/launcher=submitit_{self.name}: {self.name} refuses the jobs "
                    f"({'; '.join(refusals or lines[:1])}); change hydra.launcher's keys, or ask sinfo what there is"
                ) from error
        self._submitted += jobs
        self._logs |= {job.job_id: Path(job.paths.stdout) for job in jobs}
        return [job.job_id for job in jobs]

    def end(self, job: str) -> End:
        """Quote the last line of a job's log."""
        log = self._logs[job]
        if not log.exists():
            return End(f"it could not write its log, {log}", blind=True)
        lines = log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return End(f"its log {log} ends with: {last}")


class Local(_Submitit):
    """Processes on this machine, one after the other."""

    name = "local"
    batch = 1

    def jobs(self, names: Iterable[str]) -> set[str]:
        """Return the processes that this one has started and that still run."""
        return {job.job_id for job in self._submitted if not job.done()}

    def waits_for(self) -> str:
        """Nothing: a process runs at once."""
        return ""


class Slurm(_Submitit):
    """SLURM. A job is alone on its node, unless it asks for GPUs or says otherwise in `additional_parameters`.

    It is a batch script without `srun`, so that it has every CPU of its allocation.
    """

    name = "slurm"
    batch = 1000  # SLURM's arrays have at most 1,001 jobs unless it is told otherwise

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Raises UserError if there is no SLURM here, or it does not answer."""
        for program in ("sbatch", "squeue"):
            if shutil.which(program) is None:
                raise UserError(
                    f"hydra/launcher=submitit_slurm: there is no SLURM here (no {program}); start this on a host that "
                    "submits jobs, or leave CLUSTER and hydra/launcher out"
                )
        extra = settings["additional_parameters"]
        alone = not any(settings[key] for key in _OF_A_DEVICE) and "exclusive" not in extra
        super().__init__({**settings, "use_srun": False, "exclusive": alone or None})
        self._jobs: dict[str, str] | None = None  # each mapped to why it waits, empty if it does not

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """As its base does."""
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):  # what sbatch says is in the error
            warnings.simplefilter("ignore")
            return super().submit(tasks)

    def jobs(self, names: Iterable[str]) -> set[str]:
        """Ask SLURM, whose answer of last time stands where it does not answer. Raises UserError if it never did."""
        asked = ["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", f"--name={','.join(names)}"]
        completed = subprocess.run([*asked, "--format=%i %t %r"], capture_output=True, text=True, check=False)
        if completed.returncode == 0:
            told = [line.split(maxsplit=2) for line in completed.stdout.splitlines()]
            self._jobs = {job: " ".join(reason) if state == "PD" else "" for job, state, *reason in told}
        elif self._jobs is None:
            why = " ".join(completed.stderr.split()) or f"exit code {completed.returncode}"
            raise UserError(f"hydra/launcher=submitit_slurm: SLURM does not answer here ({why})")
        return set(self._jobs)

    def waits_for(self) -> str:
        """SLURM's own word, such as `Resources`."""
        reasons = set((self._jobs or {}).values())
        return "" if "" in reasons else " and ".join(sorted(reasons))

    def end(self, job: str) -> End:
        """Say what SLURM calls the job's end, as long as it remembers, and quote the last line of its log."""
        asked = ["scontrol", "--oneliner", "show", "job", job]
        told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        state, nodes = (re.search(rf" {key}=(\S+)", told) for key in ("JobState", "NodeList"))
        logged = super().end(job)
        if state and nodes and nodes[1] != "(null)":
            return replace(logged, how=f"{state[1]} on {nodes[1]}; {logged.how}")
        return End("it was cancelled before it began") if logged.blind else logged


def queue_of(settings: Mapping[str, Any]) -> Queue | None:
    """Return the queue of the launcher that is chosen; None if that is not one of submitit's. Raises UserError."""
    module, _, launcher = str(settings["_target_"]).rpartition(".")
    if module != f"{PLUGIN}.submitit_launcher":
        return None
    if importlib.util.find_spec("submitit") is None or importlib.util.find_spec(PLUGIN) is None:
        raise UserError(
            f"hydra/launcher: {launcher} is not installed for {sys.executable}; "
            "install hydra-submitit-launcher, or leave CLUSTER and hydra/launcher out"
        )
    return Slurm(settings) if launcher == "SlurmLauncher" else Local(settings)
