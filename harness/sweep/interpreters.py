"""Finds the Python interpreter of each framework, and the framework's version installed there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache

from ..job import UNNAMED, Environment, Job

_ASK_VERSION = """
import importlib.metadata, importlib.util
if importlib.util.find_spec({0!r}) is None:
    raise SystemExit(1)
try:
    print(importlib.metadata.version({0!r}))
except importlib.metadata.PackageNotFoundError:
    print("unknown")
"""


def interpreter(job: Job, framework: str, environment: Environment = UNNAMED) -> str:
    """Return the Python that runs a framework on the job's device: the environment's, or the framework's own."""
    return environment.interpreter or job.frameworks[framework].interpreters.get(job.device.name) or sys.executable


def is_here(job: Job, framework: str, environment: Environment = UNNAMED) -> bool:
    """Return True if the Python that runs a framework is on this machine."""
    return _exists(interpreter(job, framework, environment))


def lacking(job: Job, framework: str, environment: Environment = UNNAMED) -> str:
    """Say why a framework cannot be measured on the job's device, and what to do; empty if it is installed."""
    own = environment.name if environment.interpreter else ""
    return _lacking(framework, interpreter(job, framework, environment), job.device.name, own)


@cache
def framework_version(framework: str, python: str) -> str | None:
    """Look up a framework's version as its interpreter has it, without importing the framework.

    Returns "unknown" if it is installed without metadata, and None if it is not installed. Raises OSError or
    TimeoutExpired if the interpreter does not run.
    """
    completed = subprocess.run(
        [python, "-c", _ASK_VERSION.format(framework)], capture_output=True, text=True, timeout=60, check=False
    )
    return completed.stdout.strip() if completed.returncode == 0 else None


@cache
def _exists(python: str) -> bool:
    return shutil.which(python) is not None


@cache
def _lacking(framework: str, python: str, device: str, environment: str) -> str:
    """Say why a framework cannot run; `environment` is the named one whose interpreter it is, or empty."""
    remedy = f"set frameworks.{framework}.interpreters.{device}"
    if environment:
        remedy = f"set environments.{environment}.interpreter to a Python that has {framework}"
    if shutil.which(python) is None:
        remedy = "run make setup-gpu" if device == "cuda" and not environment else remedy
        return f"{framework}: its interpreter {python} is not there; {remedy}"
    try:
        version = framework_version(framework, python)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{framework}: its interpreter {python} does not run ({error}); {remedy}"
    if version is None and environment:
        return f"{framework} is not installed for {python}; {remedy}, or leave it out with 'variants.{framework}=[]'"
    if version is None:
        return (
            f"{framework} is not installed for {python}; run make setup, or leave it out with 'variants.{framework}=[]'"
        )
    return ""
