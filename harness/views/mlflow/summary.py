"""What MLflow's run of a sweep's findings holds, and the description of the experiment."""

from __future__ import annotations

from collections.abc import Sequence

from ...claims import text
from ...claims.verdicts import StudyVerdict
from ...records.record import Record
from ..answer import headline, is_conclusive
from ..table import Table, markdown
from .pages import Page

# In one line: MLflow breaks lines where its Markdown does.
_READING = (
    "How to read it: `ratio` is the time of backward over that of forward, `ratio_low` to `ratio_high` its 95 % "
    "interval, and `ratio_flops` what counting multiplies predicts. `gradient_ms` is a training step without its "
    "update, `residual_mib` what forward keeps for backward. `answer/...` are the same numbers, without ratios that "
    "cannot be told. A run is one variant of one workload, its artifact is the whole record, and "
    "`harness/records/metrics.py` defines every number. Below the charts of a sweep stand all other numbers, folded."
)


def findings(records: Sequence[Record], study: StudyVerdict | None) -> str:
    """The verdicts on the study's claim, and the table of findings, as Markdown."""
    return "\n\n".join([*([text.markdown(study)] if study else []), markdown(records)])


def figures(records: Sequence[Record]) -> dict[str, float]:
    """The main figures of a sweep: how many variants there are, and between which values they lie."""
    conclusive = [record.metrics for record in records if record.outcome == "ok" and is_conclusive(record)]
    numbers = {
        "variants": float(len(records)),
        "variants_measured": float(sum(record.outcome == "ok" for record in records)),
        "variants_told": float(len(conclusive)),
        "variants_below_two": float(sum(metrics["ratio_high"] < 2 for metrics in conclusive)),
        "variants_above_two": float(sum(metrics["ratio_low"] > 2 for metrics in conclusive)),
    }
    for name in ("ratio", "ratio_flops"):
        if values := [metrics[name] for metrics in conclusive if name in metrics]:
            numbers |= {f"{name}_lowest": min(values), f"{name}_highest": max(values)}
    return numbers


def description(sweep: str, records: Sequence[Record], study: StudyVerdict | None, pages: Sequence[Page]) -> str:
    """The experiment's description: the latest answer, how to read it, and links to all sweeps, as Markdown.

    MLflow shows its first line above the runs, and the rest unfolded.
    """
    links = []
    for page in pages:
        linked = ", ".join(f"[{what}]({link})" for what, link in page.links("").items())
        links.append(f"- {page.title}: {page.answer} ({linked})")
    said = [f"**{sweep}: backward over forward: {headline(records)}**", Table.of(records).answer]
    return "\n\n".join([*said, *([text.one_line(study)] if study else []), _READING, "\n".join(links)])
