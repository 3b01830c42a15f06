"""Which variants are measured already, and why some are measured again: decided from what their records depend on."""

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


def outstanding(job: Job, machine: Mapping[str, Any]) -> dict[Variant, str]:
    """The variants of a job that are to be measured, each with why its earlier record is given up; empty without one.

    Raises UserError for a record of a newer program, which is never replaced.
    """
    found = {}
    for variant in job.variants:
        path = job.path(variant)
        if not path.exists():
            found[variant] = ""
            continue
        try:
            why = _why_again(job, variant, read_head(path), machine)
        except NewerSchema:
            raise
        except UserError as error:
            why = f"its record could not be used ({error})"
        if why:
            found[variant] = f"because {why}"
    return found


def _why_again(job: Job, variant: Variant, record: Record, machine: Mapping[str, Any]) -> str:
    """Why a record does not stand for its variant any more; empty if it does, or if its framework is not there now."""
    if lacking(job, variant.framework):
        return ""
    if job.redo == "all":
        return "of redo=all"
    if job.redo == "failed" and record.outcome not in SUCCESSES:
        return f"it was {record.outcome}, and redo=failed"
    device = {"threads": job.device.threads, "memory": job.device.memory}
    was = _depends_on(
        record.measure, {"threads": record.threads, "memory": record.memory}, record.machine, record.versions
    )
    now = _depends_on(asdict(job.measure), device, machine, versions(job, variant))
    changed = [(key, was.get(key, "not known"), now[key]) for key in now if was.get(key) != now[key]]
    changed += environment.differences(record.environment, environment.that_matters())
    return "; ".join(f"{key} was {before} and is {after}" for key, before, after in changed)


def _depends_on(
    measure: Mapping[str, Any], device: Mapping[str, Any], machine: Mapping[str, Any], versions: Mapping[str, str]
) -> dict[str, Any]:
    """All that a timing depends on and that the cell's name does not hold, flat, by readable names."""
    groups = {"measure": measure, "device": device, "machine": machine}
    named = {f"{group}.{key}": value for group, values in groups.items() for key, value in values.items()}
    return {key: value for key, value in (named | dict(versions)).items() if key != "measure.name"}
