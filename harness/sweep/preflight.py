"""Checks before a sweep starts that a framework is installed, and that the results folder and MLflow work."""

from __future__ import annotations

import http.client
import importlib.util
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError
from ..job import Job
from .interpreters import lacking

_ANSWER_WITHIN_S = 5


def check(jobs: Sequence[Job]) -> list[str]:
    """Check that the jobs can be measured on this machine.

    Returns a sentence for each framework that is not installed; its cells will be `unsupported`. Raises UserError if no
    framework is installed, or not for an interpreter that was named to be compared with another, the results folder
    cannot be written, or MLflow does not answer.
    """
    absences = {(v, job.device.name): lacking(job, v.framework, v.environment) for job in jobs for v in job.variants}
    sentences = list(dict.fromkeys(filter(None, absences.values())))
    if amiss := next((why for (variant, _), why in absences.items() if why and variant.environment.interpreter), ""):
        raise UserError(amiss)
    if all(absences.values()):
        raise UserError("; ".join(sentences))
    for folder in {job.results for job in jobs}:
        _check_writable(folder)
    for uri in {job.tracking.uri for job in jobs}:
        _check_tracking(uri)
    return sentences


def _check_writable(folder: Path) -> None:
    """Raise UserError unless files can be created in the results folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"results={folder}: cannot be written ({error.strerror}); choose another folder") from error


def _check_tracking(uri: str | None) -> None:
    """Raise UserError unless MLflow is installed and its server, if there is one, answers."""
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
