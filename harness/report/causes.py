"""Why this number? The explanations beside the records: each ratio as a product of causes, and every op alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..explain import report
from ..explain.factors import Explained, Factor
from ..explain.in_place import COLUMNS, DIFFERENCE, Compared, InPlaceComparison
from ..records.record import EXPLAINED, Record
from .findings import Findings
from .section import Figure, Grid, Section
from .style import NEUTRAL, colour, layout, legend, logarithmic, symbol

_READING = (
    "Each row is one cause, and its marks say by which factor it changes the ratio: 1 is no effect. The product of a "
    "variant's factors is its measured ratio, exactly. FLOPs are what counts say; the other causes are what time adds. "
    "A hollow mark has no interval."
)
_OFFSET = 0.6  # of a row, over which the variants are spread


def section(findings: Findings) -> Section | None:
    """Show the explanations that are there and are of the ratios that the records have."""
    explained = {i: content for i in findings.conclusive if (content := _read(findings, findings.records[i]))}
    if not explained:
        return None
    says = [f"{findings.full_name(i)}: {_said(content)}" for i, content in explained.items()]
    figures = [
        _figure(findings, workload, {i: explained[i] for i in numbers})
        for workload, numbers in findings.by_workload(list(explained)).items()
    ]
    figures[0] = replace(figures[0], reading=_READING)
    flags = [f"{findings.full_name(i)}: {flag}" for i, content in explained.items() for flag in content["flags"]]
    tables = [_parts(findings, explained), *_in_place(findings, explained)]
    if any(row.differs for content in explained.values() for row in _compared(content)):
        flags.append(f"{DIFFERENCE}.")
    flags += [
        f"{findings.full_name(i)}: {text}" for i, content in explained.items() for text in content.get("beaten", ())
    ]
    return Section("why", "Why these numbers?", says, [*figures, *tables], flags)


def _read(findings: Findings, record: Record) -> dict[str, Any] | None:
    """Read an explanation; None if there is none, or it cannot be read."""
    try:
        content = json.loads((findings.folder / f"{record.cell}{EXPLAINED}").read_text())
        _ = _explained(content), [report.cells(row) for row in content["parts"]], content["flags"], _compared(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(content)


def _explained(content: Mapping[str, Any]) -> Explained:
    """Make the factors of an explanation as they were before they were written."""
    factors = []
    for name, (value, *ends) in content["factors"].items():
        factors.append(Factor(name, float(value), (ends[0], ends[1]) if ends else None))
    shares = content["forward_share"], content["backward_share"]
    return Explained(float(content["ratio"]), tuple(factors), *shares, {})


def _said(content: Mapping[str, Any]) -> str:
    """`2.12, where FLOPs say 1.83; the largest other cause is dW (times 1.35).`"""
    explained = _explained(content)
    flops, largest = explained.factors[0].value, explained.largest
    cause = f"{report.SAYS.get(largest.name, largest.name)} (times {largest.value:.2f})"
    return f"{explained.ratio:.2f}, where FLOPs say {flops:.2f}; the largest other cause is {cause}."


def _figure(findings: Findings, workload: str, explained: Mapping[int, Mapping[str, Any]]) -> Figure:
    import plotly.graph_objects as go

    names = list(next(iter(explained.values()))["factors"])
    figure = go.Figure(layout=layout(34 * len(names) + 94 + 20 * len(explained)))
    figure.add_shape(type="line", x0=1, x1=1, yref="paper", y0=0, y1=1, line={"color": NEUTRAL, "dash": "dot"})
    shown: list[float] = []
    for place, (i, content) in enumerate(explained.items()):
        record, factors = findings.records[i], _explained(content).factors
        offset = _OFFSET * ((place + 0.5) / len(explained) - 0.5)
        ends = [factor.interval or (factor.value, factor.value) for factor in factors]
        shown += [end for factor, pair in zip(factors, ends, strict=True) for end in (factor.value, *pair)]
        figure.add_scatter(
            x=[factor.value for factor in factors],
            y=[-row - offset for row in range(len(factors))],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - f.value for f, (_, high) in zip(factors, ends, strict=True)],
                "arrayminus": [f.value - low for f, (low, _) in zip(factors, ends, strict=True)],
                "thickness": 1.5,
                "width": 0,
            },
            mode="markers",
            name=findings.variants[i],
            marker={"color": colour(record.framework), "size": 9}
            | {"symbol": [symbol(record, factor.interval is not None or factor.name == "flops") for factor in factors]},
            hovertemplate="%{fullData.name}<br>times %{x:.2f}<extra></extra>",
        )
    figure.update_layout(
        showlegend=True,
        legend=legend(34 * len(names)),
        margin={"l": 10, "r": 10, "t": 10, "b": 84 + 20 * len(explained)},
        xaxis={"title": {"text": "factor"}, "fixedrange": True, "zeroline": False} | logarithmic(shown),
        yaxis={"tickvals": [-row for row in range(len(names))], "ticktext": [report.SAYS.get(n, n) for n in names]}
        | {"automargin": True, "fixedrange": True, "zeroline": False, "range": [0.6 - len(names), 0.6]},
    )
    rows = []
    for i, content in explained.items():
        cells = [
            f"{f.value:.2f}" + (f" ({f.interval[0]:.2f} to {f.interval[1]:.2f})" if f.interval else "")
            for f in _explained(content).factors
        ]
        rows.append([findings.variants[i], f"{content['ratio']:.2f}", *cells])
    return Figure(f"{workload}: the ratio as a product", Grid(["variant", "ratio", *names], rows), figure)


def _parts(findings: Findings, explained: Mapping[int, Mapping[str, Any]]) -> Figure:
    """Tabulate every op alone, the slowest first."""
    rows = [[findings.full_name(i), *report.cells(row)] for i, content in explained.items() for row in content["parts"]]
    return Figure("Each op alone, in the same framework", Grid(["cell", *report.COLUMNS], rows))


def _in_place(findings: Findings, explained: Mapping[int, Mapping[str, Any]]) -> list[Figure]:
    """Tabulate the ops that matter most alone and in place, the slowest first, where a profiler showed them."""
    rows = [[findings.full_name(i), *row.cells()] for i, content in explained.items() for row in _compared(content)]
    title = "Alone, and in place in the whole run"
    return [Figure(title, Grid(["cell", *COLUMNS], rows))] if rows else []


def _compared(content: Mapping[str, Any]) -> tuple[Compared, ...]:
    """Ops alone and in place, as an explanation has them."""
    return InPlaceComparison.from_dict(content["in_place"]).rows
