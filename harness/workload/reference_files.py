"""References on disk: a folder each, below that of the workload, and the list of those that are complete.

A variant is judged by the first that is not of its own framework; by its own where there is no other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .oracle import Reference
from .rounding import Errors
from .trace import Graph


def write_reference(folder: Path, name: str, expected: Reference) -> None:
    """Write one reference. It counts only once `list_references` names it."""
    write_arrays(_of(folder, name) / "gradients", expected.gradients)
    write_arrays(_of(folder, name) / "outputs", expected.outputs)
    description = {"loss": expected.loss, "allowed": asdict(expected.allowed), "source": expected.source}
    (_of(folder, name) / "reference.json").write_text(json.dumps(description, indent=2))


def list_references(folder: Path, names: Sequence[str]) -> None:
    """Say which references are complete, the first to be asked first."""
    (folder / "references.json").write_text(json.dumps(list(names)))


def read_reference(folder: Path, name: str, graph: Graph) -> Reference:
    """Read a reference that `write_reference` wrote for the same graph; arrays are mapped from disk, not read."""
    description = json.loads((_of(folder, name) / "reference.json").read_text())
    gradients = read_arrays(_of(folder, name) / "gradients", graph.sources)
    outputs = read_arrays(_of(folder, name) / "outputs", graph.cotangents)
    return Reference(description["loss"], gradients, Errors(**description["allowed"]), outputs, description["source"])


def judge_of(folder: Path, framework: str) -> str:
    """The name of the reference that judges a framework's variants; empty if there is none at all."""
    names: list[str] = json.loads((folder / "references.json").read_text())
    return next((name for name in names if name != framework), "".join(names[:1]))


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write each array to a file of its name; earlier files are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def read_arrays(folder: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Map the named arrays from disk."""
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}


def _of(folder: Path, name: str) -> Path:
    return folder / "references" / name
