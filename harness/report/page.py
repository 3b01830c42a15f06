"""Assembles the page of a sweep, and writes it beside the records: `report.html`, `report.md` and `report.csv`."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from .. import __version__
from . import (
    axes,
    background,
    causes,
    conditions,
    counts,
    effects,
    inconclusive,
    own_ops,
    predicted,
    ratios,
    steps,
    verdicts,
)
from .definitions import DEFINITIONS, METHOD
from .findings import Findings
from .page_head import PageHead
from .papers import csv_of, markdown_of
from .section import Section

HTML = "report.html"
_SECTIONS = (
    ratios,
    steps,
    counts,
    predicted,
    causes,
    own_ops,
    axes,
    effects,
    verdicts,
    background,
)  # of what is certain
_REST = (inconclusive, conditions)
_PAGE = Path(__file__).parent / "page"  # template, style and script


def write(findings: Findings) -> Path:
    """Write the page, and the same as Markdown and CSV. Returns the page's path. Raises OSError if it cannot."""
    sections = sections_of(findings)
    folder = findings.folder
    (folder / "report.csv").write_text(csv_of(findings.records), encoding="utf-8")
    (folder / "report.md").write_text(markdown_of(findings, sections), encoding="utf-8")
    page = folder / HTML
    page.write_text(html(findings, sections), encoding="utf-8")
    return page


def sections_of(findings: Findings) -> list[Section]:
    """Make the sections that the sweep has something on, first of what is certain."""
    made = [module.section(findings) for module in (*_SECTIONS, *_REST)]
    return [section for section in made if section]


def html(findings: Findings, sections: Sequence[Section]) -> str:
    """Write the page."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    plots = {
        f"{section.key}-{number}": json.loads(figure.plot.to_json())
        for section in sections
        for number, figure in enumerate(section.figures)
        if figure.plot is not None
    }
    ended = max((record.created for record in findings.records), default="")
    return environment.get_template("page.html").render(
        name=findings.name,
        answer=PageHead.of(findings),
        ended=datetime.fromisoformat(ended).strftime("%d %B %Y, %H:%M UTC") if ended else "",
        version=__version__,
        commit=next((r.harness.get("commit", "")[:10] for r in findings.records), ""),
        sections=sections,
        definitions=DEFINITIONS,
        method=METHOD,
        style=(_PAGE / "style.css").read_text(),
        script=(_PAGE / "page.js").read_text(),
        plots=_in_script(plots),
        plotly=_plotly(),
    )


def _in_script(data: Any) -> str:
    """Write JSON so that nothing in it can end the script element that holds it."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _plotly() -> str:
    """Return plotly's script, compressed and as text: the page unpacks it after it has been painted."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), compresslevel=6, mtime=0)).decode()
