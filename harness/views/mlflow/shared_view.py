"""The arrangement of MLflow's page for one sweep: which runs, charts and columns it shows.

MLflow 3.15 and later take it from a tag of the experiment, as its own pages write it when a user saves a view. That is
no public format: a version that does not know it shows all runs and metrics instead. Tried with MLflow 3.17.2.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...records.metrics import METRICS
from .run import ANSWER

TAG = "mlflow.sharedViewState."  # and after it the key that a link has as viewStateShareKey

_RATIO, _COUNTED = f"{ANSWER}ratio", "ratio_flops"
_BARS = (f"{ANSWER}gradient_ms", f"{ANSWER}residual_mib", "ratio_device", "update_ms")
_COLUMNS = (_RATIO, "ratio_low", "ratio_high", _COUNTED, "forward_ms", "backward_ms", "gradient_ms", "residual_mib")
_AXES = 2  # that have charts of their own
_COLUMN_PIXELS = 85
_CARD_PIXELS = (250, 480)  # the least height of a chart, in which two rows of them fit on a screen, and the greatest


@dataclass(frozen=True)
class SharedView:
    """A page: `title` stands above the charts, `name` in the menu of views.

    `filter` chooses the runs, as MLflow searches; `runs` are the metrics of each. `axes` are those of them that the
    sweep varies.
    """

    name: str
    title: str
    filter: str
    runs: Sequence[Mapping[str, float]]
    axes: Sequence[str] = ()

    def tag(self, when_ms: int) -> str:
        """The value of the experiment's tag: at most 20,000 characters, of which MLflow reads the state compressed."""
        state = base64.b64encode(zlib.compress(json.dumps(self._state()).encode())).decode()
        said = {"name": self.name, "createdAt": when_ms, "updatedAt": when_ms, "state": f"deflate;{state}"}
        return json.dumps(said)

    def _state(self) -> dict[str, Any]:
        sections, charts = self._arranged()
        columns = [f"metrics.`{name}`" for name in _COLUMNS]
        return {
            "orderByKey": f"metrics.`{_RATIO}`",
            "orderByAsc": False,
            "searchFilter": self.filter,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
            "selectedColumns": columns,
            "columnOrder": [*columns, "duration"],
            "columnWidths": dict.fromkeys(columns, _COLUMN_PIXELS),
            "runsExpanded": {},
            "runsPinned": [],
            "runsHidden": [],
            "runsHiddenMode": "SHOW_ALL",
            "viewMaximized": False,
            "runListHidden": False,
            "isAccordionReordered": True,
            "groupBy": None,
            "groupsExpanded": {},
            "autoRefreshEnabled": False,
            "useGroupedValuesInCharts": True,
            "hideEmptyCharts": True,
            "globalLineChartConfig": {},
            "compareRunCharts": charts,
            "compareRunSections": sections,
        }

    def _arranged(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The sections of the page and their charts: first the answer, then all other numbers, folded, by unit."""
        least, greatest = _CARD_PIXELS
        height = min(greatest, max(least, 150 + 18 * len(self.runs)))
        names = sorted({name for metrics in self.runs for name in metrics})
        step, *others = [name for name in _BARS if name in names] or [""]
        charts = [_bar(_RATIO), *([_bar(step)] if step else []), _scatter(_COUNTED, _RATIO), *map(_bar, others)]
        charts += [_scatter(axis, number) for axis in self.axes[:_AXES] for number in (_RATIO, step) if number]
        arranged = {self.title: charts}
        for name in names:
            if name not in (_RATIO, step, *others):
                arranged.setdefault(_unit(name), []).append(_bar(name))
        sections: list[dict[str, Any]] = []
        numbered: list[dict[str, Any]] = []
        for number, (title, of_section) in enumerate(arranged.items()):
            uuid = f"section-{number}"
            sections.append(_section(uuid, title, is_open=number == 0, height=height))
            for chart in of_section:
                place = {"uuid": f"chart-{len(numbered)}", "metricSectionId": uuid}
                shown = {"runsCountToCompare": len(self.runs), "deleted": False, "isGenerated": False}
                numbered.append(chart | place | shown)
        return sections, numbered


def _unit(name: str) -> str:
    """The title of the section of a metric."""
    quantity = METRICS.get(name.removeprefix(ANSWER))
    return "Sizes" if quantity is None else "Counts and shares" if quantity.unit == "1" else f"In {quantity.unit}"


def _bar(metric: str) -> dict[str, Any]:
    return {"type": "BAR", "metricKey": metric}


def _scatter(x: str, y: str) -> dict[str, Any]:
    return {"type": "SCATTER", "xaxis": {"type": "METRIC", "key": x}, "yaxis": {"type": "METRIC", "key": y}}


def _section(uuid: str, name: str, is_open: bool, height: int) -> dict[str, Any]:
    layout = {"columns": 2, "cardHeight": height} if is_open else {}
    flags = {"isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": uuid, "name": name, "display": is_open} | flags | layout
