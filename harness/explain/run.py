"""Explains the variants of one job that were measured well: replays their parts, writes and shows what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from ..errors import UserError
from ..job import Job, Variant
from ..measure.launch import Conditions, Launch
from ..measure.protocol import Failure
from ..paths import temporary_folder
from ..records.ceilings import Ceilings
from ..records.moved_work import sentences
from ..records.record import EXPLAINED, read_head, write_json
from ..views.labels import variant_name
from ..workload.own import OwnWorkload
from ..workload.workload import save
from . import report
from .bounds import COLUMNS as BOUND_COLUMNS
from .calls import saved_tiny
from .factors import as_dict, explain
from .in_place import COLUMNS as IN_PLACE_COLUMNS
from .in_place import InPlaceComparison, compare
from .machine_limits import Allowed, allowed
from .own import explain_own_job
from .parts import Part, distinct_parts, replayed
from .replay import Replay
from .replay import replay as replay_parts

Table = Callable[[Sequence[str], Sequence[Sequence[str]]], None]


def explain_job(
    job: Job,
    launch: Callable[[Variant], Launch],
    conditions: Conditions,
    say: Callable[[str], None],
    show: Table,
    starting: Callable[[Variant], None] = lambda variant: None,
    ceilings: Callable[[Variant], Ceilings | None] = lambda variant: None,
) -> None:
    """Explain each variant of a job whose record is `ok`, one after the other.

    Args:
        job: the job, whose records are written.
        launch: how to start a variant's worker.
        conditions: the settings shared by all workers of the job.
        say: prints a line.
        show: prints a table of columns and rows.
        starting: called with each variant before it is replayed.
        ceilings: what this machine allows a variant, if that is known.
    """
    variants = [variant for variant in job.variants if _is_ok(job.path(variant))]
    if not variants:
        return
    if isinstance(job.workload, OwnWorkload):
        explain_own_job(job, job.workload, variants, launch, conditions, say, show, starting)
        return
    parts = distinct_parts(job.traced)
    with temporary_folder() as temporary:
        root = Path(temporary)
        whole = save(job.traced, root / "whole", solve=False)
        folders = {part: save(part.workload, root / f"part{i}", solve=False) for i, part in enumerate(parts)}
        tiny = saved_tiny(job.workload.precision, root)
        for variant in variants:
            if variant.choices.replicas > 1:
                say(f"\n{job.workload.label} {variant_name(variant)}: not explained; an op alone is not split yet")
                continue
            starting(variant)
            how = replace(launch(variant), choices=replayed(variant))
            start = monotonic()
            try:
                replayed_variant = replay_parts(how, conditions, whole, folders, tiny)
            except Failure as failure:
                say(f"\n{job.workload.label} {variant_name(variant)}: not explained ({failure.reason})")
                continue
            explained, rows, allowance, in_place = _publish(
                job, variant, parts, replayed_variant, ceilings(variant), monotonic() - start
            )
            say(f"\n{job.workload.label} {variant_name(variant)}: alone, one op after the other")
            show(report.COLUMNS, rows)
            if allowance.rows:
                show(BOUND_COLUMNS, allowance.rows)
            for text in explained:
                say(text)
            if in_place.rows:
                say("alone, and in place in the whole run:")
                show(IN_PLACE_COLUMNS, [row.cells() for row in in_place.rows])
            for text in in_place.says:
                say(text)


def _is_ok(path: Path) -> bool:
    """Whether there is a record, of a program that was measured."""
    try:
        return path.exists() and read_head(path).outcome == "ok"
    except UserError:
        return False


def _publish(
    job: Job, variant: Variant, parts: Sequence[Part], measured: Replay, ceilings: Ceilings | None, took_s: float
) -> tuple[list[str], list[list[str]], Allowed, InPlaceComparison]:
    """Write a variant's explanation, whose replay took so many seconds, beside its record.

    Returns its sentences, its table's rows, what the machine allows, and its ops in place.
    """
    explained = explain(measured, parts)
    rows = [report.part_row(part, measured, explained) for part in parts if part in measured.timed]
    rows.sort(key=lambda row: -(row["forward_share"] + row["backward_share"]))
    problems = report.flags(measured, explained, variant, job.device)
    missing = [
        {"op": part.op, "shape": part.shape, "count": part.count, "reason": reason}
        for part, reason in measured.failures.items()
    ]
    record = read_head(job.path(variant))
    in_place, moved_work = compare(explained.net, measured), sentences(record)
    allowance = allowed(ceilings, variant, parts, measured, explained, record)
    content: dict[str, Any] = as_dict(explained) | {"parts": rows, "not_replayed": missing, "flags": problems}
    content |= allowance.content | {"moved": moved_work, "in_place": in_place.as_dict(), "took_s": took_s}
    write_json(job.path(variant).with_suffix(EXPLAINED), content)
    texts = [f"not replayed: {m['op']} {m['shape']}, {m['count']} times ({m['reason']})" for m in missing]
    texts += [report.sums(explained), report.line(explained, variant), *moved_work, *problems, *allowance.texts]
    return texts, [report.cells(row) for row in rows], allowance, in_place
