"""Results as a line each and as a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from .lines import Line

Row = tuple[Line, Mapping[str, Any]]

# Ours is faster on purpose, in gradients; said where it is.
BY_DESIGN = {
    ("tensorflow", "lstm"): "ours adds up dW after the loop, Keras's loop in every step: a Keras user pays more",
    ("tensorflow", "gru"): "ours adds up dW after the loop, Keras's loop in every step: a Keras user pays more",
}
PARAMETERS = {("torch", "lstm"): "theirs has two biases", ("jax", "gru"): "theirs has four biases of our six"}

PACKAGES = {"torch": ("torch", "transformers"), "jax": ("jax", "flax"), "tensorflow": ("tensorflow", "keras")}

HEAD = "| framework | execution | what | theirs | phase | ours ms | ours / theirs | by CPU time | verdict |"


def text(line: Line, result: Mapping[str, Any]) -> str:
    """One line for the console."""
    if "failed" in result:
        return f"{line}: FAILED: {result['failed']}"
    mark = "" if result["good"] else "  <-- above"
    return (
        f"{line} {result['phase']} / {result['library']}: {_ratio(result)} ({result['cpu']:.2f})"
        f" {result['verdict']}{', measured twice' if result.get('again') else ''}{mark}"
    )


def markdown(rows: Sequence[Row], machine: Mapping[str, Any]) -> str:
    """The table with what it was measured on, and without a date."""
    frameworks = dict.fromkeys(line.framework for line, _ in rows)
    packages = [package for framework in frameworks for package in PACKAGES[framework]]
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    star = "\\*"
    out = [
        f"{machine['cpu']}, {machine['cpus']} CPUs; {versions}.",
        "Intervals are of 95 %; a line of up to 1.05 keeps to the limit.",
        "",
        HEAD,
    ]
    out.append("|" + "---|" * (HEAD.count("|") - 1))
    notes: dict[str, None] = {}
    for line, result in rows:
        cells = [line.framework, line.execution, line.what]
        if "failed" in result:
            cells += ["", "", "", "", "", f"FAILED: {result['failed']}".replace("|", "/")]
        else:
            note = _note(line, result)
            notes |= {note: None} if note else {}
            mark = star * (1 + list(notes).index(note)) if note else ""
            milliseconds = f"{result['ours_s'] * 1e3:.3g}"
            verdict = result["verdict"] + (", measured twice" if result.get("again") else "")
            cells += [result["library"], result["phase"], milliseconds, _ratio(result) + mark]
            cells += [f"{result['cpu']:.2f}", verdict]
        out.append("| " + " | ".join(cells) + " |")
    return "\n".join([*out, "", *(f"{star * i} {note}." for i, note in enumerate(notes, start=1)), ""])


def _ratio(result: Mapping[str, Any]) -> str:
    return f"{result['centre']:.2f} [{result['low']:.2f}, {result['high']:.2f}]"


def _note(line: Line, result: Mapping[str, Any]) -> str | None:
    subject = line.framework, line.what.removeprefix("op=")
    faster = result["phase"] in ("backward", "gradient") and result["high"] < 1
    return (BY_DESIGN if faster and subject in BY_DESIGN else PARAMETERS).get(subject)
