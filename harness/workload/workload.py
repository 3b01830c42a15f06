"""One workload: a model with its sizes, a precision and a seed. Its arrays live on disk as `.npy`, never pickled."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .draw import normal
from .kinks import settle
from .models import Model, build, sizes
from .oracle import Reference, reference
from .rounding import Errors
from .trace import Graph, trace


@dataclass(frozen=True)
class Workload:
    """What all frameworks compute, identically.

    `precision` is fp32, tf32 (fp32 arrays, tensor-core multiplies) or bf16. `gradients` are those asked for: of
    params, of float inputs (parameters are frozen), or of both.
    """

    name: str
    model: Model
    precision: str = "fp32"
    seed: int = 0
    gradients: str = "params"

    @classmethod
    def of(cls, name: str, model_sizes: Mapping[str, Any], **rest: Any) -> Workload:
        """Raises WorkloadError for a model that cannot be built; its shapes are checked at once."""
        workload = cls(name, build(name, model_sizes), **rest)
        _ = workload.graph
        return workload

    @cached_property
    def graph(self) -> Graph:
        return trace(self.model, self.gradients)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; the inverse of `from_dict`."""
        rest = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "model"}
        return rest | {"sizes": sizes(self.model)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Workload:
        rest = {key: value for key, value in data.items() if key not in ("name", "sizes")}
        return cls.of(data["name"], {k: v for k, v in data["sizes"].items() if v is not None}, **rest)

    @property
    def label(self) -> str:
        """What a table calls the model: its name, or of a single op the op's."""
        return getattr(self.model, "label", self.name)

    @cached_property
    def id(self) -> str:
        """Short, stable, readable: the name and a digest of the sizes, precision, seed and gradients."""
        digest = hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:8]}"

    @cached_property
    def digest(self) -> str:
        """A digest of the traced graph and of how its arrays are drawn: it changes when the model's code does."""
        return hashlib.sha256(repr(self.graph).encode()).hexdigest()[:12]

    def sample(self) -> dict[str, np.ndarray]:
        """Every parameter and input, float32 or int32, by name; biases stand where rounding decides nothing."""
        return settle(self.graph, {name: draw.sample(self.seed, name) for name, draw in self.graph.draws.items()})

    def cotangents(self) -> dict[str, np.ndarray]:
        """The gradient that arrives at each output of a graph without a loss, by name."""
        return {name: self.graph.draws[name].sample(self.seed, name) for name in self.graph.cotangents}

    def directions(self) -> dict[str, np.ndarray]:
        """One direction for a tangent: an array for each source of the graph, drawn from the seed."""
        shapes = {name: self.graph.specs[number].shape for name, number in self.graph.sources.items()}
        return {name: normal(*shape).sample(self.seed, f"{name}, direction") for name, shape in shapes.items()}


def save(workload: Workload, folder: Path, solve: bool = True) -> Path:
    """Write the workload, its arrays and the oracle's answer under `folder`; return the folder.

    Without `solve` there is no answer: the workload is to be timed, not verified.
    """
    arrays = workload.sample()
    _write(folder / "arrays", arrays)
    if not solve:
        (folder / "workload.json").write_text(json.dumps(workload.as_dict(), indent=2))
        return folder
    expected = reference(workload.graph, arrays)
    _write(folder / "gradients", expected.gradients)
    _write(folder / "outputs", expected.outputs)
    description = workload.as_dict() | {"loss": expected.loss, "allowed": dataclasses.asdict(expected.allowed)}
    (folder / "workload.json").write_text(json.dumps(description, indent=2))
    return folder


def load(folder: Path) -> tuple[Workload, dict[str, np.ndarray], Reference]:
    """The inverse of `save`; arrays are mapped from disk, not read. An answer that was not saved is empty."""
    description = json.loads((folder / "workload.json").read_text())
    if "loss" not in description:
        workload = Workload.from_dict(description)
        return workload, _read(folder / "arrays", workload.graph.draws), Reference(math.nan, {})
    loss, allowed = description.pop("loss"), Errors(**description.pop("allowed"))
    workload = Workload.from_dict(description)
    arrays = _read(folder / "arrays", workload.graph.draws)
    gradients = _read(folder / "gradients", workload.graph.sources)
    return workload, arrays, Reference(loss, gradients, allowed, _read(folder / "outputs", workload.graph.cotangents))


def _write(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def _read(folder: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}
