"""Writes HLO modules."""

from __future__ import annotations


def program(*lines: str, computations: str = "") -> str:
    """A module whose entry computation has these lines."""
    body = "\n".join(f"  {line}" for line in lines)
    return f"HloModule m\n\n{computations}\n\nENTRY %main (p: f32[2,2]) -> f32[2,2] {{\n{body}\n}}\n"
