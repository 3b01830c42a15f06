"""What must hold on this machine before anything starts. Each check ends in one sentence or in nothing."""

from __future__ import annotations

import dataclasses
import http.client
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ..config.validate import Settings
from ..errors import UserError
from ..measure import machine

_ANSWER_WITHIN_S = 5

_ASK_VERSION = """
import importlib.metadata, importlib.util
if importlib.util.find_spec({0!r}) is None:
    raise SystemExit(1)
try:
    print(importlib.metadata.version({0!r}))
except importlib.metadata.PackageNotFoundError:
    print("unknown")
"""


def resolve(job: Settings) -> Settings:
    """The job with its device and threads decided. Raises UserError for a device or memory that is not there."""
    name, present = job.device.name, machine.gpus()
    if name == "auto":
        name = "cuda" if present else "cpu"
    if name == "cuda" and not present:
        raise UserError("device=cuda: no NVIDIA GPU answers here (nvidia-smi lists none); choose device=cpu")
    if name == "cpu" and job.workload.precision == "tf32":
        raise UserError("precision=tf32: TF32 needs a GPU with tensor cores; choose precision=fp32 or device=cuda")
    _check_memory(job)
    cpus = len(os.sched_getaffinity(0))
    threads = job.device.threads or cpus
    if threads > cpus:
        raise UserError(f"device.threads={threads}: this process may use {cpus} CPUs; choose at most that many")
    return dataclasses.replace(job, device=dataclasses.replace(job.device, name=name, threads=threads))


def interpreter(job: Settings, framework: str) -> str:
    """The Python that runs a framework on the job's device."""
    return job.frameworks[framework].interpreters.get(job.device.name) or sys.executable


def check(jobs: Sequence[Settings]) -> list[str]:
    """A sentence for each framework that is not there, whose cells are then `unsupported`.

    Raises UserError where none is there, or the results folder or MLflow cannot be had.
    """
    found = [lacking(job, variant.framework) for job in jobs for variant in job.variants]
    sentences = list(dict.fromkeys(filter(None, found)))
    if all(found):
        raise UserError("; ".join(sentences))
    for folder in {job.results for job in jobs}:
        _check_writable(folder)
    for uri in {job.tracking.uri for job in jobs}:
        _check_tracking(uri)
    return sentences


def lacking(job: Settings, framework: str) -> str:
    """Why a framework cannot be measured on the job's device, with what to do; empty where it is installed."""
    return _lacking(framework, interpreter(job, framework), job.device.name)


@cache
def _lacking(framework: str, python: str, device: str) -> str:
    remedy = f"set frameworks.{framework}.interpreters.{device}"
    if shutil.which(python) is None:
        remedy = "run make setup-gpu" if device == "cuda" else remedy
        return f"{framework}: its interpreter {python} is not there; {remedy}"
    try:
        version = framework_version(framework, python)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{framework}: its interpreter {python} does not run ({error}); {remedy}"
    if version is None:
        return (
            f"{framework} is not installed for {python}; run make setup, or leave it out with 'variants.{framework}=[]'"
        )
    return ""


@cache
def framework_version(framework: str, python: str) -> str | None:
    """The installed version, asked of its interpreter; the framework is not imported. None: it is not installed.

    Raises OSError or TimeoutExpired for an interpreter that does not run.
    """
    asked = subprocess.run(
        [python, "-c", _ASK_VERSION.format(framework)], capture_output=True, text=True, timeout=60, check=False
    )
    return asked.stdout.strip() if asked.returncode == 0 else None


def _check_memory(job: Settings) -> None:
    """The oracle keeps every value of the trace in float64, so less than that cannot be enough."""
    needed = 8 * sum(spec.size for spec in job.workload.graph.specs)
    present = machine.memory_bytes()
    if needed > present:
        raise UserError(
            f"model={job.workload.name}: the reference answer alone takes {needed // 2**30} GiB, and this machine has "
            f"{present // 2**30} GiB; choose a smaller model.batch"
        )


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"results={folder}: cannot be written ({error.strerror}); choose another folder") from error


def _check_tracking(uri: str | None) -> None:
    if uri is None:
        return
    if importlib.util.find_spec("mlflow") is None:
        raise UserError(
            f"tracking.uri={uri}: MLflow is not installed for {sys.executable}; install mlflow, or choose tracking=off"
        )
    if not uri.startswith("http"):
        return
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_ANSWER_WITHIN_S).close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(
            f"tracking.uri={uri}: MLflow does not answer there ({' '.join(str(why).split())}); "
            "start it, or choose tracking=local or tracking=off"
        ) from error
