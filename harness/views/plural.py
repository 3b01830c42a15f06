"""Counts, lists and durations, as messages say them."""

from __future__ import annotations

from collections.abc import Sequence


def plural(count: int, noun: str) -> str:
    """`1 variant`, `2 variants`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def enumerated(names: Sequence[str], most: int) -> str:
    """`a`, `a and b`, `a, b and c`, and from `most` names on how many more there are."""
    rest = len(names) - most
    *first, last = names if rest <= 0 else [*names[:most], plural(rest, "other")]
    return f"{', '.join(first)} and {last}" if first else last


def duration(seconds: float) -> str:
    """`40 seconds`, `2.4 minutes`."""
    return plural(round(seconds), "second") if seconds < 89.5 else f"{seconds / 60:.1f} minutes"
