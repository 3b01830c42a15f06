"""Decides which variants to measure: those without a record, and those whose record no longer applies, with why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..errors import UserError
from ..job import Job, Variant
from ..measure.machine import environment
from ..records.record import NewerSchema, Record, read_head
from .interpreters import lacking
from .provenance import versions

SUCCESSES = ("ok", "unsupported")  # outcomes that redo=failed leaves alone


def outstanding(job: Job, machine: Mapping[str, Any], here: bool = True) -> dict[Variant, str]:
    """List the variants of a job that are still to be measured.

    Args:
        job: the job.
        machine: the one that measures, as `describe` returns it; empty if it is not known.
        here: whether that is this machine; if not, environment variables that are set only there are not known.

    Returns:
        The variants, each mapped to why its earlier record is discarded ("" if there is none).

    Raises:
        UserError: a record was written by a newer version of this program; such records are never replaced.
    """
    reasons = {}
    for variant in job.variants:
        path = job.path(variant)
        if not path.exists():
            reasons[variant] = ""
            continue
        try:
            why = _why_again(job, variant, read_head(path), machine, here)
        except NewerSchema:
            raise
        except UserError as error:
            why = f"its record could not be used ({error})"
        if why:
            reasons[variant] = f"because {why}"
    return reasons


def _why_again(job: Job, variant: Variant, record: Record, machine: Mapping[str, Any], here: bool) -> str:
    """Say why a record no longer applies to its variant; empty if it does, or if the framework is not installed now."""
    if lacking(job, variant.framework, variant.environment):
        return ""
    if job.redo == "all":
        return "of redo=all"
    if job.redo == "failed" and record.outcome not in SUCCESSES:
        return f"it was {record.outcome}, and redo=failed"
    if job.redo == "noisy" and record.noise:
        return "of redo=noisy"
    device = {"threads": job.device.threads or record.threads, "memory": job.device.memory}
    recorded = _dependencies(
        record.measure, {"threads": record.threads, "memory": record.memory}, record.machine, record.versions
    )
    current = _dependencies(asdict(job.measure), device, machine, versions(job, variant))
    changes = [
        (key, recorded.get(key, "not known"), value) for key, value in current.items() if recorded.get(key) != value
    ]
    variables = environment.kernel_variables() | dict(variant.environment.variables)
    differing = environment.differences(record.environment, variables)
    changes += [change for change in differing if here or change[0] in variables]
    return "; ".join(f"{key} was {before} and is {after}" for key, before, after in changes)


def _dependencies(
    measure: Mapping[str, Any], device: Mapping[str, Any], machine: Mapping[str, Any], versions: Mapping[str, str]
) -> dict[str, Any]:
    """Collect everything that a timing depends on besides its cell, as a flat mapping by readable names."""
    groups = {"measure": measure, "device": device, "machine": machine}
    dependencies = {f"{group}.{key}": value for group, values in groups.items() for key, value in values.items()}
    return {key: value for key, value in (dependencies | dict(versions)).items() if key != "measure.name"}
