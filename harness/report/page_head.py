"""The head of the page: the answer in one sentence, and the few figures that it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from .findings import Findings


@dataclass(frozen=True)
class Tile:
    """A figure in large print, and what it is."""

    figure: str
    says: str


@dataclass(frozen=True)
class PageHead:
    """The question, the sentence that answers it, and the figures."""

    question: str
    sentence: str
    tiles: tuple[Tile, ...]

    @classmethod
    def of(cls, findings: Findings) -> PageHead:
        """Answer for a sweep."""
        question, mark, sentence = findings.table.answer.partition("? ")
        if not mark:
            question, sentence = "Is the backward pass twice the forward", findings.table.answer
        return cls(f"{question}?", sentence, tuple(_tiles(findings)))


def _tiles(findings: Findings) -> list[Tile]:
    metrics = [findings.records[i].metrics for i in findings.conclusive]
    tiles = []
    if metrics:
        tiles.append(Tile(_range([m["ratio"] for m in metrics]), "backward / forward, by time"))
    if counted := [m["ratio_flops"] for m in metrics if "ratio_flops" in m]:
        tiles.append(Tile(_range(counted), "backward / forward, by FLOPs"))
    if metrics:
        below, above = sum(m["ratio_high"] < 2 for m in metrics), sum(m["ratio_low"] > 2 for m in metrics)
        rest = len(metrics) - below - above
        tiles.append(
            Tile(f"{below} of {len(metrics)}", f"surely below 2; {above} above, {rest} cannot be told apart from it")
        )
    if errors := [r.metrics["gradient_error"] for r in findings.records if "gradient_error" in r.metrics]:
        tiles.append(Tile(f"{max(errors):.0e}", "largest error of any gradient, against float64"))
    return tiles


def _range(values: list[float]) -> str:
    """`1.83`, or `1.83 to 2.50`."""
    return "\N{EN DASH}".join(dict.fromkeys(f"{value:.2f}" for value in (min(values), max(values))))
