"""A comparison for continuous integration: JUnit XML, and a Markdown table for a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from ..errors import UserError
from ..measure.comparison import Answer
from .compare import QUANTITIES, CellComparison, change_with_interval, footnotes, kept, mark, word
from .plural import plural

PHASES = ("forward", "backward")  # a training step is what these come to, and a ratio is no time
STAR = "\\*"  # as Markdown shows one
_ORDER = (Answer.SLOWER, Answer.FASTER, Answer.CANNOT_TELL, Answer.SAME)  # what is there in any phase, first


def verdict(cell: CellComparison) -> Answer:
    """Return what a cell is: slower if any phase is, else faster if any is, else the same only if all are."""
    answers = [cell.quantities[phase].answer for phase in PHASES]
    return next(answer for answer in _ORDER if answer in answers)


def summary(cells: Sequence[CellComparison]) -> str:
    """Count the cells of each verdict, and name those that changed.

    For example `18 cells: 1 slower, 0 faster, 5 cannot tell, 12 same; mlp jax jit (backward slower +8.1%)`.
    """
    by_verdict: dict[Answer, list[CellComparison]] = {answer: [] for answer in _ORDER}
    for cell in cells:
        by_verdict[verdict(cell)].append(cell)
    counts = [f"{len(of_verdict)} {answer}" for answer, of_verdict in by_verdict.items()]
    said = f"{plural(len(cells), 'cell')}: {', '.join(counts)}"
    changed = [f"{cell.name} ({_changed(cell)})" for answer in _ORDER[:2] for cell in by_verdict[answer]]
    return f"{said}; {'; '.join(changed)}" if changed else said


def _changed(cell: CellComparison) -> str:
    """Name the phases that changed, each with its word and its change."""
    answers = {phase: cell.quantities[phase] for phase in PHASES}
    return ", ".join(
        f"{phase} {judged.answer} {judged.change.centre - 1:+.1%}"
        for phase, judged in answers.items()
        if judged.answer in (Answer.SLOWER, Answer.FASTER)
    )


def markdown(cells: Sequence[CellComparison], title: str, remarks: Sequence[str]) -> str:
    """Write the comparison as Markdown: a sentence, what changed or cannot be told, and the rest folded away."""
    parts = [f"### {title}", "", f"**{summary(cells)}**", "", *(f"- {remark}" for remark in remarks), ""]
    order = sorted(cells, key=lambda cell: _ORDER.index(verdict(cell)))
    if shown := [cell for cell in order if verdict(cell) is not Answer.SAME]:
        parts += [*_table(shown), ""]
    if same := [cell for cell in order if verdict(cell) is Answer.SAME]:
        counted = f"{plural(len(same), 'cell')}: same"
        parts += [f"<details><summary>{counted}</summary>", "", *_table(same), "", "</details>", ""]
    return "\n".join([*parts, *(f"- {note.replace('*', STAR)}" for note in footnotes(cells)), ""])


def _table(cells: Sequence[CellComparison]) -> list[str]:
    columns = ["workload", "variant", "verdict", *QUANTITIES.values(), "kept"]
    rows = [
        [cell.workload, cell.variant, str(verdict(cell)), *(_entry(cell, name) for name in QUANTITIES), kept(cell)]
        for cell in cells
    ]
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return lines + [f"| {' | '.join(entry.replace('|', '/').replace('*', STAR) for entry in row)} |" for row in rows]


def _entry(cell: CellComparison, quantity: str) -> str:
    """Write the answer for a quantity, its change and interval; empty if it was not timed on both sides."""
    if quantity not in cell.quantities:
        return ""
    judged = cell.quantities[quantity]
    return f"{word(quantity, judged.answer)} {change_with_interval(judged)}{mark(cell, judged)}"


def junit(cells: Sequence[CellComparison], title: str, remarks: Sequence[str]) -> str:
    """Write the comparison as JUnit XML.

    A cell is a test: slower is a failure, what cannot be told is skipped, and all else passes.
    """
    verdicts = [verdict(cell) for cell in cells]
    suite = ElementTree.Element(
        "testsuite",
        name=title,
        tests=str(len(verdicts)),
        failures=str(verdicts.count(Answer.SLOWER)),
        errors="0",
        skipped=str(verdicts.count(Answer.CANNOT_TELL)),
    )
    properties = ElementTree.SubElement(suite, "properties")
    for remark in remarks:
        ElementTree.SubElement(properties, "property", name="differs", value=remark)
    for cell, answer in zip(cells, verdicts, strict=True):
        test = ElementTree.SubElement(suite, "testcase", classname=cell.workload, name=cell.variant)
        if answer is Answer.SLOWER:
            ElementTree.SubElement(test, "failure", type="slower", message=_changed(cell))
        elif answer is Answer.CANNOT_TELL:
            ElementTree.SubElement(test, "skipped", message=f"cannot tell; {cell.disturbed}".removesuffix("; "))
        output = ElementTree.SubElement(test, "system-out")
        output.text = "\n".join(f"{QUANTITIES[quantity]}: {_entry(cell, quantity)}" for quantity in cell.quantities)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def write(path: Path, text: str, key: str) -> None:
    """Write a report to a file, and its folder if that is missing. Raises UserError, naming the key, if it cannot."""
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
        path.write_text(text)
    except OSError as error:
        raise UserError(f"{key}={path}: cannot be written ({error.strerror}); choose another file") from error
