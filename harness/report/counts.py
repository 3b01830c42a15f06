"""Does time follow FLOPs? The measured ratio of every cell against the counted one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..views.plural import plural
from .findings import Findings
from .section import MOST_LISTED, Figure, Grid, Section
from .style import NEUTRAL, colour, layout, legend, symbol

_READING = (
    "On the dotted line, time would follow FLOPs exactly. Above it backward is dearer than its multiplies, below it "
    "cheaper. Marks of one count stand side by side, so that they can be told apart."
)
_PLOT = 300  # pixels
_SHIFT = 0.012  # of the axis, between marks of the same count
_BARS = 200  # cells that are drawn with their intervals


def section(findings: Findings) -> Section | None:
    """Show every ratio that can be told and has a count."""
    counted = [i for i in findings.conclusive if "ratio_flops" in findings.records[i].metrics]
    if not counted:
        return None
    quotients = sorted(
        findings.records[i].metrics["ratio"] / findings.records[i].metrics["ratio_flops"] for i in counted
    )
    middle = quotients[len(quotients) // 2]
    says = [
        f"Measured over counted is {quotients[0]:.2f} to {quotients[-1]:.2f}, {middle:.2f} in the middle "
        f"({plural(len(counted), 'cell')})."
        if len(counted) > 1
        else f"Measured over counted is {middle:.2f}."
    ]
    plot = measured_against(findings, counted, "ratio_flops", "ratio by FLOPs")
    figure = Figure("Measured ratio against counted ratio", _grid(findings, counted), plot, _READING)
    return Section("counts", "Measured against counted", says, [figure])


def measured_against(findings: Findings, counted: Sequence[int], metric: str, axis: str) -> Any:
    """Plot the measured ratio of some records over another number of theirs, with the line on which the two agree."""
    import numpy as np
    import plotly.graph_objects as go

    metrics = [findings.records[i].metrics for i in counted]
    values = [m[metric] for m in metrics]
    span = max(max(values) - min(values), 0.4)
    figure = go.Figure(layout=layout(_PLOT + 110))
    ends = [min(values) - 0.15 * span, max(values) + 0.15 * span]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", line={"color": NEUTRAL, "dash": "dot"}, hoverinfo="skip", showlegend=False
    )
    taken: dict[float, int] = {}
    shifted = []
    for number, x in enumerate(values):
        place = taken[round(x, 2)] = taken.get(round(x, 2), -1) + 1
        side = (place + 1) // 2 * (-1) ** place if len(counted) <= _BARS else 0
        shifted.append(values[number] + side * _SHIFT * span)
    frameworks = dict.fromkeys(findings.records[i].framework for i in counted)
    for framework in frameworks:
        own = [n for n, i in enumerate(counted) if findings.records[i].framework == framework]
        bars = {
            "type": "data",
            "symmetric": False,
            "array": [metrics[n]["ratio_high"] - metrics[n]["ratio"] for n in own],
            "arrayminus": [metrics[n]["ratio"] - metrics[n]["ratio_low"] for n in own],
            "thickness": 1.5,
            "width": 0,
        }
        few = len(counted) <= _BARS
        figure.add_scatter(
            x=np.asarray([shifted[n] for n in own], dtype=np.float32),
            y=np.asarray([metrics[n]["ratio"] for n in own], dtype=np.float32),
            error_y=bars if few else None,
            mode="markers",
            name=framework,
            marker={
                "color": colour(framework),
                "size": 9 if few else 4,
                "opacity": 1 if few else 0.5,
                "symbol": [symbol(findings.records[counted[n]]) for n in own] if few else "circle",
            },
            hovertext=[findings.full_name(counted[n]) for n in own] if few else None,
            hovertemplate="%{hovertext}<br>measured %{y:.2f}<extra></extra>" if few else None,
        )
    figure.update_layout(
        showlegend=True,
        legend=legend(_PLOT),
        margin={"l": 56, "r": 10, "t": 10, "b": 100},
        xaxis={"title": {"text": axis}, "fixedrange": True, "zeroline": False, "range": ends},
        yaxis={"title": {"text": "ratio by time"}, "fixedrange": True, "zeroline": False},
    )
    return figure


def _grid(findings: Findings, counted: Sequence[int]) -> Grid:
    rows = []
    for i in counted[:MOST_LISTED]:
        m, phases = findings.records[i].metrics, findings.records[i].phases
        multiplies = [phases[name].matmuls for name in ("forward", "backward")]
        rows.append(
            [findings.workloads[i], findings.variants[i], f"{m['ratio']:.2f}", f"{m['ratio_low']:.2f}"]
            + [f"{m['ratio_high']:.2f}", f"{m['ratio_flops']:.2f}", f"{m['ratio'] / m['ratio_flops']:.2f}"]
            + ["" if number is None else str(number) for number in multiplies]
            + [
                "" if gflops is None else f"{gflops:.3g}"
                for gflops in (phases["forward"].gflops, phases["backward"].gflops)
            ]
        )
    columns = ["workload", "variant", "measured", "low", "high", "by FLOPs", "measured / FLOPs"]
    rates = ["multiplies forward", "multiplies backward", "GFLOP/s forward", "GFLOP/s backward"]
    return Grid([*columns, *rates], rows, len(counted))
