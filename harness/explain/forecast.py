"""Forecasts how long the explanations of a job take on an idle machine: as long as before, or as long as they may."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress

from ..errors import UserError
from ..job import Job, Variant
from ..records.record import EXPLAINED
from .bench import COMPILING, OP_BY_OP, WARM_S
from .calls import TINY
from .ceilings import Missing, Version, lacking
from .measure_probes import IN_TURN_S, NETWORK_S, PROBE_S
from .parts import distinct_parts
from .replay import PARTS_S, PROFILED_S, TINY_S, WHOLE_S

# Of what has never been explained here; measured on two cores, where a process took 0.5 to 3.6 s to import its
# framework, and a part 0.02 s to load where ops are called one by one, 0.07 to 1.3 s where they are compiled. A network
# took 10 to 21 s to compile in TensorFlow xla, and 24 to 55 s in torch compile.
IMPORT_S = 3.0
LOAD_S, COMPILE_S, NETWORK_COMPILE_S = 0.02, 0.4, 20.0


def explaining_s(job: Job, variants: Iterable[Variant], version: Version) -> float:
    """Estimate the seconds of measuring the ceilings that some variants of a job lack, and of explaining them."""
    if job.workload.graph is None:
        return sum(IMPORT_S + PROFILED_S for _ in variants)
    missing: dict[Variant, Missing] = {}
    explaining_s = 0.0
    for variant in variants:
        explaining_s += _replay_s(job, variant)
        with suppress(UserError):  # whoever reads the ceilings to measure tells
            missing |= lacking(job, variant, version)
    return explaining_s + sum(_missing_s(job, one.execution, lacks) for one, lacks in missing.items())


def _missing_s(job: Job, execution: str, missing: Missing) -> float:
    """Seconds of measuring ops alone and networks in an execution."""
    probes = sum(len(kind.probes(job.workload.precision)) for kind in missing.kinds)
    if execution in OP_BY_OP:
        return IMPORT_S + probes * LOAD_S + IN_TURN_S
    networks_s = len(missing.networks) * (NETWORK_COMPILE_S + WARM_S + NETWORK_S)
    return IMPORT_S + probes * (COMPILE_S / COMPILING + WARM_S + PROBE_S) + networks_s


def _replay_s(job: Job, variant: Variant) -> float:
    """Seconds of explaining a variant: what it last took in any sweep, or else what it may take."""
    files = job.results.glob(f"records/*/*/{job.cell(variant)}{EXPLAINED}")
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            return float(json.loads(path.read_text())["took_s"])
        except (OSError, ValueError, KeyError, TypeError):  # cut short, or older than this number
            continue
    parts = len(distinct_parts(job.traced))
    measuring_s = PARTS_S + 2 * WHOLE_S + PROFILED_S + len(TINY) * (WARM_S + TINY_S)
    if variant.execution in OP_BY_OP:
        return IMPORT_S + parts * LOAD_S + measuring_s
    return IMPORT_S + parts * (COMPILE_S / COMPILING + WARM_S) + measuring_s
