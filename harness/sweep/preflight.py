"""Checks before a sweep starts that a framework is installed, and that the results folder and MLflow work."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError
from ..job import Job
from .interpreters import is_here, lacking
from .reachable import check_tracking


def check(jobs: Sequence[Job], here: bool = True) -> list[str]:
    """Check that the jobs can be measured on this machine or, if not `here`, on a cluster's nodes.

    If not `here`, an interpreter that is missing on this machine is not checked, since the nodes may have it.

    Returns a sentence for each framework that is not installed; its cells will be `unsupported`. Raises UserError if no
    framework is installed, if the interpreter of a named environment lacks its framework, if the results folder cannot
    be written, or if MLflow does not answer.
    """
    absences = {
        (variant, job.device.name): lacking(job, variant.framework, variant.environment)
        for job in jobs
        for variant in job.variants
        if here or is_here(job, variant.framework, variant.environment)
    }
    sentences = list(dict.fromkeys(filter(None, absences.values())))
    if amiss := next((why for (variant, _), why in absences.items() if why and variant.environment.interpreter), ""):
        raise UserError(amiss)
    if absences and all(absences.values()):
        raise UserError("; ".join(sentences))
    for folder in {job.results for job in jobs}:
        _check_writable(folder)
    for uri in {job.tracking.uri for job in jobs}:
        check_tracking(uri)
    return sentences


def _check_writable(folder: Path) -> None:
    """Raise UserError unless files can be created in the results folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"results={folder}: cannot be written ({error.strerror}); choose another folder") from error
