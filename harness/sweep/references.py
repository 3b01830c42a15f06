"""Decides what a job's variants are judged by, and has it computed: NumPy's oracle, or frameworks on the device.

NumPy's takes minutes for work that fills a GPU. There each framework is judged by another one: torch by jax, all others
by torch, as far as these are installed. If one fails, the other judges its own framework too. If both fail, or differ,
NumPy decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from ..errors import UserError
from ..job import Job
from ..measure.protocol import Failure
from ..measure.worker import MALLOC, Worker
from ..paths import cache_folder
from ..workload.cost import cost
from ..workload.reference_files import list_references, read_reference
from ..workload.workload import save, write_description
from .interpreters import interpreter, lacking

REFEREES = ("torch", "jax")  # the frameworks that can compute a reference; the first is asked first

# FLOPs of forward and backward from which frameworks compute the references. On two CPUs torch and jax together take
# longer than NumPy: 9 s and 2 s for the default ResNet-18, 13 s and 6 s for 4 images of 224 px, 60 s and 46 s for a
# sequence of gpt2_small (875 GFLOP). On a GPU they take little more than their imports and compilers, and NumPy does 8
# to 20 GFLOP a second on two CPUs.
LEAST_FLOPS = {"cpu": math.inf, "cuda": 2e11}

AGREE = 1e-9  # the most by which two references differ; float64 keeps them within 1e-12
MOST_S = 180.0  # the most that one framework may take


def referees(frameworks: Iterable[str], installed: Sequence[str]) -> list[str]:
    """List the referees that judge these frameworks, out of the installed ones."""
    judges = {next((name for name in installed if name != framework), framework) for framework in frameworks}
    return [name for name in installed if name in judges]


class References:
    """Writes the arrays of a job's workload and the references of its variants, once, in any thread."""

    _most_s = MOST_S

    def __init__(
        self, job: Job, frameworks: Iterable[str], cpus: Sequence[int], folder: Path, say: Callable[[str], None]
    ) -> None:
        """Prepare; nothing is computed yet.

        Args:
            job: the job.
            frameworks: those of the variants to measure.
            cpus: the CPUs that the framework's processes may use.
            folder: everything is written below it; it need not exist.
            say: called with a sentence for each reference that cannot be had.
        """
        self._job, self._frameworks, self._cpus = job, set(frameworks), cpus
        self._folder = folder
        self._say = say
        self._lock = Lock()
        self._closed = False
        self._worker: Worker | None = None

    def save(self) -> Path:
        """Write arrays and references. Returns their folder. Raises UserError if they cannot be written."""
        try:
            self._save()
        except OSError as error:
            raise UserError(
                f"{self._folder}: arrays cannot be written ({error.strerror}); set TMPDIR elsewhere"
            ) from error
        return self._folder

    def _save(self) -> None:
        work = cost(self._job.traced.graph)
        large = work.forward.flops + work.backward.flops >= LEAST_FLOPS[self._job.device.name]
        if not (large and self._by_frameworks()) and not self._closed:
            save(self._job.traced, self._folder)

    def close(self) -> None:
        """Give up what is being computed in a framework."""
        with self._lock:
            self._closed = True
            if self._worker:
                self._worker.process.kill()

    def _by_frameworks(self) -> bool:
        """Have frameworks compute the references. Returns False if NumPy has to."""
        write_description(self._job.traced, self._folder)
        installed = [name for name in REFEREES if name in self._job.frameworks and not lacking(self._job, name)]
        wanted = referees(self._frameworks, installed)
        others = [name for name in installed if name not in wanted]
        computed: list[str] = []
        for name in wanted:
            computed += self._compute(name, draw=not computed)
        for name in others:
            if not computed:
                computed += self._compute(name, draw=True)
        list_references(self._folder, computed)
        return bool(computed) and self._agree(computed)

    def _compute(self, name: str, draw: bool) -> list[str]:
        """Have one framework compute its reference. Returns the name, or nothing if it failed."""
        failure = self._failure(name, draw)
        if failure and not self._closed:
            self._say(f"{self._job.workload.id}: no reference by {name}: {failure.reason}")
        return [] if failure or self._closed else [name]

    def _failure(self, name: str, draw: bool) -> Failure | None:
        """Have one framework compute its reference in a process of its own, so that its memory is free afterwards.

        Returns why it failed; None if it did not.
        """
        job = self._job
        deadline_s = min(self._most_s, job.measure.deadline_s)
        log = job.results / "logs" / job.study / job.sweep / f"{job.workload.id}.{job.device.name}.reference-{name}.log"
        environment = {**MALLOC["kept"], "TWOFOLD_CACHE_DIR": str(cache_folder(job.results).resolve())}
        try:
            with Worker(interpreter(job, name), self._cpus, log, environment) as worker:
                with self._lock:
                    self._worker = worker
                if not self._closed:
                    threads = len(self._cpus)
                    worker.open(deadline_s, framework=name, device=job.device.name, threads=threads, precision="fp64")
                    worker.reference(deadline_s, self._folder, draw)
        except Failure as failure:
            return failure
        finally:
            with self._lock:
                self._worker = None
        return None

    def _agree(self, names: Sequence[str]) -> bool:
        """Return True if the references are the same, up to the rounding of float64."""
        first, *others = (read_reference(self._folder, name, self._job.traced.graph) for name in names)
        for other in others:
            result = other.outputs or other.loss
            worst = np.max([first.loss_error(result), *first.gradient_errors(other.gradients).values()])
            if not worst <= AGREE:
                self._say(
                    f"{self._job.workload.id}: {first.source} and {other.source} differ by {worst:.1g}; NumPy decides"
                )
                return False
        return True
