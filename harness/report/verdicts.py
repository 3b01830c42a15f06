"""Does the study's claim hold? The claim, and the verdict on each of its predictions."""

from __future__ import annotations

import math

from ..claims import text
from ..claims.verdicts import Finding, Ruling, StudyVerdict
from .findings import Findings
from .forest import Row, forest
from .section import MOST_ROWS, Figure, Grid, Section
from .style import NEUTRAL

_COLOURS = {Ruling.HOLDS: "#159e78", Ruling.FAILS: "#d6453d", Ruling.CANNOT_TELL: NEUTRAL}
_READING = (
    "The grey band, or upright stroke, is what a prediction allows, a mark what was found, with its 95 % interval if "
    "it was timed. Green holds, red fails, grey cannot be told."
)


def section(findings: Findings) -> Section | None:
    """Show the verdicts on the claim of a study, if it has one."""
    study = findings.verdict
    if study is None:
        return None
    columns, rows = text.table(study)
    groups = {verdict.prediction: [_row(f) for f in verdict.findings if _plotted(f)] for verdict in study.verdicts}
    groups = {name: found for name, found in groups.items() if found}
    few = 0 < sum(map(len, groups.values())) <= MOST_ROWS
    plot = forest(groups, "number that a prediction is about", _line(study), 52) if few else None
    figure = Figure("Findings and predictions", Grid(columns, rows), plot, _READING if plot else "")
    return Section("claim", "The claim", [text.headline(study), *text.sentences(study)], [figure])


def _plotted(finding: Finding) -> bool:
    return finding.ruling is not None and finding.centre is not None and math.isfinite(finding.centre)


def _row(finding: Finding) -> Row:
    centre = finding.centre or 0.0
    low, high = (centre if end is None or not math.isfinite(end) else end for end in (finding.low, finding.high))
    at = [f"{name}={value}" for name, value in finding.at.items() if value is not None]
    colour = _COLOURS[finding.ruling or Ruling.CANNOT_TELL]
    label = " ".join([finding.variant, *at])
    hover = f"{finding}<br>predicted: {text.band(finding.band)}<br>{finding.ruling}"
    exact = finding.band[0] if finding.band[0] == finding.band[1] else None
    return Row(label, centre, low, high, f"{centre:.3g}", colour, hover=hover, expected=exact, band=finding.band)


def _line(study: StudyVerdict) -> float:
    """Return the number at which the line of the plot stands: 2 if any band reaches it, else the first band's end."""
    ends = [
        end for verdict in study.verdicts for finding in verdict.findings for end in finding.band if end is not None
    ]
    return 2.0 if not ends or min(ends) <= 2 <= max(ends) else ends[0]
