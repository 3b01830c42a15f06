"""One workload: a model with its sizes, a precision and a seed. Its arrays live on disk as `.npy`, never pickled."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .arithmetic import NUMPY, Arithmetic
from .draw import normal
from .frozen import freeze
from .kinks import move_biases
from .models import Model, build, sizes
from .oracle import Reference, reference
from .reference_files import judge_of, list_references, read_arrays, read_reference, write_arrays, write_reference
from .trace import Graph, trace
from .user_code import search_first
from .user_model import UserModel

ORACLE = "oracle"  # the name of NumPy's reference


@dataclass(frozen=True)
class Workload:
    """What all frameworks compute, identically.

    `precision` is fp32, tf32 (fp32 arrays, tensor-core multiplies), bf16, bf16_mixed (fp32 parameters and gradients,
    bf16 multiplies), or fp64. `gradients` are those asked for: of params, of float inputs (parameters are frozen), or
    of both. `frozen` says which parameters get none all the same (`frozen.py`); nothing if it is empty.
    """

    name: str
    model: Model
    precision: str = "fp32"
    seed: int = 0
    gradients: str = "params"
    frozen: str = ""

    @classmethod
    def of(cls, name: str, model_sizes: Mapping[str, Any], **rest: Any) -> Workload:
        """Build a workload and check its shapes. Raises WorkloadError for a model that cannot be built."""
        workload = cls(name, build(name, model_sizes), **rest)
        _ = workload.graph
        return workload

    @cached_property
    def graph(self) -> Graph:
        graph = trace(self.model, self.gradients)
        return freeze(graph, self.frozen) if self.frozen else graph

    def as_dict(self) -> dict[str, Any]:
        """The workload as JSON-ready values; the inverse of `from_dict`."""
        rest = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("model", "frozen")}
        # Where nothing is frozen, as it was before anything could be: cells of earlier sweeps are found by their id.
        return rest | ({"frozen": self.frozen} if self.frozen else {}) | {"sizes": sizes(self.model)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Workload:
        rest = {key: value for key, value in data.items() if key not in ("name", "sizes")}
        return cls.of(data["name"], {k: v for k, v in data["sizes"].items() if v is not None}, **rest)

    @property
    def label(self) -> str:
        """The model's name in tables; for a single op, the name of the op."""
        return getattr(self.model, "label", self.name)

    @cached_property
    def id(self) -> str:
        """A short, stable, readable name: the model's, and a digest of its sizes and of all settings."""
        digest = hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:8]}"

    @cached_property
    def digest(self) -> str:
        """A digest of the traced graph and of how its arrays are drawn: it changes when the model's code does."""
        traced = repr(self.graph) + "".join(sorted(self.graph.frozen))
        return hashlib.sha256(traced.encode()).hexdigest()[:12]

    def sample(self, arithmetic: Arithmetic = NUMPY) -> dict[str, np.ndarray]:
        """Every parameter and input, float32 or int32, by name; biases are moved to where rounding decides nothing."""
        return move_biases(self.graph, self.drawn(), arithmetic)

    def drawn(self) -> dict[str, np.ndarray]:
        """Every parameter and input with biases as drawn: enough for a workload that is timed but not verified."""
        return {name: draw.sample(self.seed, name) for name, draw in self.graph.draws.items()}

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
    write_description(workload, folder)
    if not solve:
        write_arrays(folder / "arrays", workload.drawn())
        list_references(folder, [])
        return folder
    arrays = draw_arrays(workload, folder)
    write_reference(folder, ORACLE, reference(workload.graph, arrays))
    list_references(folder, [ORACLE])
    return folder


def load(folder: Path, framework: str = "") -> tuple[Workload, dict[str, np.ndarray], Reference]:
    """Load a workload that `save` wrote, its arrays (mapped from disk, not read) and the reference for a framework.

    If there is none, because the workload is to be timed alone, it is empty.
    """
    workload = read_workload(folder)
    arrays = read_arrays(folder / "arrays", workload.graph.draws)
    judge = judge_of(folder, framework)
    expected = read_reference(folder, judge, workload.graph) if judge else Reference(math.nan, {}, source="")
    return workload, arrays, expected


def write_description(workload: Workload, folder: Path) -> None:
    """Write the workload's description into a folder, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    description = workload.as_dict()
    if isinstance(workload.model, UserModel):
        description["path"] = workload.model.path
    (folder / "workload.json").write_text(json.dumps(description, indent=2))


def draw_arrays(workload: Workload, folder: Path, arithmetic: Arithmetic = NUMPY) -> dict[str, np.ndarray]:
    """Sample the workload's arrays and write them."""
    arrays = workload.sample(arithmetic)
    write_arrays(folder / "arrays", arrays)
    return arrays


def read_workload(folder: Path) -> Workload:
    """Read a workload that `write_description` wrote."""
    description = json.loads((folder / "workload.json").read_text())
    search_first(description.pop("path", ()))
    return Workload.from_dict(description)


def compute_reference(folder: Path, name: str, arithmetic: Arithmetic, draw: bool) -> None:
    """Write the reference of a workload under a name. The arrays are those on disk, or are drawn and written first."""
    workload = read_workload(folder)
    arrays = draw_arrays(workload, folder, arithmetic) if draw else read_arrays(folder / "arrays", workload.graph.draws)
    write_reference(folder, name, reference(workload.graph, arrays, arithmetic))
