"""A user's own model: the function that builds it in each framework, and its arguments. It is never imported here."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import numpy as np

from .frozen import check_pattern
from .ops import WorkloadError

NAME = "own"  # as a config calls it
KERAS = "keras"
LIBRARIES = ("torch", "jax", KERAS)  # in which a model may be given
BACKENDS = ("torch", "jax", "tensorflow")  # what Keras runs on

CATALOGUE = "catalogue"  # the key of a model that is written over the catalogue, not in a framework

_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class OwnWorkload:
    """`factories` are functions by library, each written `package.module:function`; `arguments` are what they get.

    `path` lists the folders in which a worker is to look for their modules first.
    """

    factories: Mapping[str, str]
    arguments: Mapping[str, Any]
    precision: str = "fp32"
    seed: int = 0
    gradients: str = "params"
    frozen: str = ""
    path: tuple[str, ...] = field(default=(), compare=False)

    name = NAME
    graph = None

    @classmethod
    def of(cls, sizes: Mapping[str, Any], **rest: Any) -> OwnWorkload:
        """Make it of a config's `model`, without its name. Raises WorkloadError for the first value that is wrong."""
        unknown = [key for key in sizes if key not in (*LIBRARIES, CATALOGUE, "arguments")]
        if unknown:
            raise WorkloadError(f"no size is called {unknown[0]}; there are {', '.join(LIBRARIES)} and arguments")
        factories = {key: sizes[key] for key in LIBRARIES if sizes.get(key) is not None}
        if not factories:
            raise WorkloadError(
                "no model was given; say which function builds it, as in model.torch=package.module:build"
            )
        for key, value in factories.items():
            if not isinstance(value, str) or not _FACTORY.fullmatch(value):
                raise WorkloadError(f"model.{key}={value} is no function; write it as package.module:build")
        arguments = sizes.get("arguments") or {}
        if not isinstance(arguments, Mapping) or not all(str(key).isidentifier() for key in arguments):
            raise WorkloadError(
                f"model.arguments={arguments} must be a mapping of names, such as model.arguments.width=512"
            )
        own = cls(factories, dict(arguments), **rest)
        if own.gradients != "params":
            raise WorkloadError(
                f"gradients={own.gradients}: of a model of your own, only those of its parameters are known; "
                "choose gradients=params"
            )
        if own.frozen:
            check_pattern(own.frozen)
        return replace(own, path=search_path(factories.values()))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; the inverse of `from_dict`. A size is called what a user types after `model.`."""
        sizes = {**self.factories, **{f"arguments.{key}": value for key, value in self.arguments.items()}}
        rest = {"precision": self.precision, "seed": self.seed, "gradients": self.gradients}
        return {"name": NAME, **rest, **({"frozen": self.frozen} if self.frozen else {}), "sizes": sizes}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: Sequence[str] = ()) -> OwnWorkload:
        factories = {key: value for key, value in data["sizes"].items() if key in LIBRARIES}
        arguments = {key.partition(".")[2]: value for key, value in data["sizes"].items() if key not in LIBRARIES}
        rest = {key: data[key] for key in ("precision", "seed", "gradients", "frozen") if key in data}
        return cls(factories, arguments, **rest, path=tuple(path))

    def factory(self, framework: str) -> str | None:
        """The function that builds the model in a framework; None if there is none."""
        if framework in self.factories and framework != KERAS:
            return self.factories[framework]
        return self.factories.get(KERAS) if framework in BACKENDS else None

    def uses_keras(self, framework: str) -> bool:
        """Whether the model that a framework runs is Keras's."""
        return framework not in self.factories and framework in BACKENDS and KERAS in self.factories

    @property
    def label(self) -> str:
        """The first function's name, and its module's without the packages."""
        module, _, function = next(iter(self.factories.values())).partition(":")
        return f"{module.rpartition('.')[2]}:{function}"

    @cached_property
    def id(self) -> str:
        digest = hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True, default=str).encode()).hexdigest()
        return f"{NAME}-{digest[:8]}"

    @cached_property
    def digest(self) -> str:
        """A digest of the text of the named modules; what they import in turn is not looked at."""
        digest = hashlib.sha256()
        for factory in self.factories.values():
            spec = _find(factory.partition(":")[0])
            source = Path(spec.origin).read_bytes() if spec and spec.origin and Path(spec.origin).is_file() else b""
            digest.update(factory.encode() + b"\0" + source)
        return digest.hexdigest()[:12]

    def cotangents(self) -> dict[str, np.ndarray]:
        """Return no cotangents: a user's own model has a loss."""
        return {}

    def directions(self) -> dict[str, np.ndarray]:
        """Return no directions: a user's own model has no tangent."""
        return {}


def is_of_catalogue(sizes: Mapping[str, Any]) -> bool:
    """Whether the sizes of a user's own model name one that is written over the catalogue."""
    return sizes.get(CATALOGUE) is not None


def write_own(workload: OwnWorkload, folder: Path) -> None:
    """Write what a worker needs to build the model."""
    folder.mkdir(parents=True, exist_ok=True)
    description = workload.as_dict() | {"path": workload.path}
    (folder / "workload.json").write_text(json.dumps(description, indent=2))


def read_own(folder: Path) -> OwnWorkload | None:
    """Read what `write_own` wrote; None if the folder has a workload of the catalogue."""
    data = json.loads((folder / "workload.json").read_text())
    built = data["name"] == NAME and not is_of_catalogue(data["sizes"])
    return OwnWorkload.from_dict(data, data["path"]) if built else None


def search_path(factories: Iterable[str]) -> tuple[str, ...]:
    """The current directory, and the folders that have the modules, unless they are installed as packages are."""
    folders = [str(Path.cwd())]
    for factory in factories:
        spec = _find(factory.partition(":")[0].partition(".")[0])
        places = [spec.origin] if spec and spec.origin and spec.origin != "frozen" else []
        if spec and spec.submodule_search_locations:
            places = list(spec.submodule_search_locations)
        for folder in (str(Path(place).resolve().parent) for place in places[:1]):
            installed = "-packages" in folder or folder.startswith(str(Path(np.__file__).parents[1]))
            if folder not in folders and not installed:
                folders.append(folder)
    return tuple(folders)


def _find(module: str) -> ModuleSpec | None:
    """Where Python would find a module, the current directory first; its packages are not imported to find out."""
    spec: ModuleSpec | None = None
    path: Sequence[str] = [str(Path.cwd()), *sys.path]
    for part in module.split("."):  # by its last name alone, for a package without __init__.py asks for its parent
        spec = PathFinder.find_spec(part, list(path))
        if spec is None:
            return None
        path = spec.submodule_search_locations or []
    return spec
