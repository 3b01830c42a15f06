"""The audit as a page."""

from __future__ import annotations

from collections.abc import Sequence

from .tools import BACKWARD, BATCH, FORWARD, LAYERS, MULTIPLY, WIDTH, Answer

HEAD = f"""# What the usual tools say of a backward pass

One MLP: {LAYERS} linear layers of {WIDTH} by {WIDTH}, two rectifiers and a cross entropy, with {BATCH} examples.
One layer's product is {MULTIPLY:,} FLOPs; forward runs {FORWARD} of them, backward {BACKWARD}, since the first layer's
input needs no gradient. Written by `make audit`, on a CPU.

The last but one column is the number of multiplies that explains what a tool says of backward, and what is left beside
them (elementwise work); `tests/audit/test_audit.py` holds every row to it. The last three tools are quoted, not run:
they multiply the forward pass by a constant, or leave backward out.

| tool | forward, MFLOP | backward, MFLOP | backward / forward | explained by | why |
|---|---|---|---|---|---|
"""


def markdown(answers: Sequence[Answer]) -> str:
    """The page, with a row for each tool."""
    return HEAD + "".join(map(_row, answers))


def _row(answer: Answer) -> str:
    forward = f"{answer.forward / 1e6:.2f}"
    if answer.backward is None or answer.multiplies is None:
        return f"| {answer.tool} | {forward} | | | | {answer.why} |\n"
    rest = answer.backward / (answer.multiplies * MULTIPLY) - 1
    explained = f"{answer.multiplies} multiplies" + (f" + {rest:.1%}" if rest else "")
    ratio = answer.backward / answer.forward
    return f"| {answer.tool} | {forward} | {answer.backward / 1e6:.2f} | {ratio:.2f} | {explained} | {answer.why} |\n"
