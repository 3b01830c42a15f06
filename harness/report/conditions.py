"""On what, with what and how it was measured: machines, versions, settings, and the machine's noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..views.answer import place
from ..views.labels import written
from .findings import Findings
from .section import Figure, Grid, Section

_INTERVALS = 4  # descriptions of what an interval covers that are listed


def section(findings: Findings) -> Section:
    """Tabulate what the records say of it; several values of a thing stand side by side."""
    records = findings.records
    machines = dict.fromkeys(place(record) for record in records)
    says = [f"Measured on {' and on '.join(machines)}."]
    if len(machines) > 1:
        says.append("The machines stand side by side: a workload is named with its own, and compared on it alone.")
    figures = [Figure("Machine" if len(machines) == 1 else "Machines", _machines(findings))]
    figures.append(Figure("Versions and settings in force", _versions(findings)))
    elsewhere = {*map(str, findings.table.notes), *findings.table.failures()}
    says += [remark for remark in findings.table.remarks() if remark and remark not in elsewhere]
    says += list(dict.fromkeys(f"intervals cover {r.interval}" for r in records if r.interval))[:_INTERVALS]
    return Section("conditions", "Machine, versions, noise", says, figures)


def _machines(findings: Findings) -> Grid:
    """A column for each machine, a row for each fact."""
    by_place: dict[str, dict[str, str]] = {}
    for record in findings.records:
        facts = {name: _shown(value) for name, value in record.machine.items()}
        facts |= {"device": record.device, "threads": str(record.threads), "freed memory": record.memory}
        by_place.setdefault(place(record), facts)
    names = dict.fromkeys(name for facts in by_place.values() for name in facts)
    rows = [[name, *(facts.get(name, "") for facts in by_place.values())] for name in names]
    return Grid(["fact", *by_place], [row for row in rows if any(row[1:])])


def _versions(findings: Findings) -> Grid:
    """The values of every setting, by who has it."""
    values: dict[tuple[str, str], dict[str, None]] = {}
    for record in findings.records:
        groups: list[tuple[str, Mapping[str, Any]]] = [
            ("twofold", record.harness),
            ("measure", record.measure),
            ("environment", record.environment),
            (record.framework, record.described),
            (record.framework, {record.framework: record.versions.get(record.framework)}),
        ]
        for who, facts in groups:
            for name, value in facts.items():
                if value is not None:
                    values.setdefault((who, name), {})[_shown(value)] = None
    rows = [[who, name, " or ".join(found)] for (who, name), found in values.items()]
    return Grid(["of", "setting", "value"], sorted(rows, key=lambda row: row[0]))


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else written({"": value})[0][1:]
