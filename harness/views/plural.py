"""Counts and durations with their noun, as messages say them."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """`1 variant`, `2 variants`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """`40 seconds`, `2.4 minutes`."""
    return plural(round(seconds), "second") if seconds < 89.5 else f"{seconds / 60:.1f} minutes"
