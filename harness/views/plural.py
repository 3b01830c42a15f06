"""Counts with their noun, as messages say them."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """`1 variant`, `2 variants`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
