"""A user's own model over the catalogue, named by its path: one function for all frameworks, with oracle and FLOPs.

It is a class as those in `models/` are. What stands wrong in it is one sentence, before anything is measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .draw import Draw
from .own import CATALOGUE, search_path
from .spec import WorkloadError
from .trace import Ops, Param, Symbol, Value
from .user_code import UserCodeError, exception_text, imported, origin

_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_ARGUMENTS = "arguments."


@dataclass(frozen=True)
class UserModel:
    """A class, written `package.module:Model`, and the arguments that it is made with.

    It is imported where the config is read, and again in each worker. Raises WorkloadError for all that is wrong.
    """

    catalogue: str
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, sizes: Mapping[str, Any]) -> UserModel:
        """Make it of the sizes of a config, or of those of a record, where each argument stands alone."""
        given = {key: value for key, value in sizes.items() if value is not None}
        arguments = given.pop("arguments", {})
        if not isinstance(arguments, Mapping) or not all(str(key).isidentifier() for key in arguments):
            raise WorkloadError(
                f"model.arguments={arguments} must be a mapping of names, such as model.arguments.width=8"
            )
        alone = {key: given.pop(key) for key in list(given) if key.startswith(_ARGUMENTS)}
        path = given.pop(CATALOGUE)
        if given:
            raise WorkloadError(
                f"model.{next(iter(given))}: model.{CATALOGUE} runs in every framework; choose one of the two"
            )
        if not isinstance(path, str) or not _CLASS.fullmatch(path):
            raise WorkloadError(f"model.{CATALOGUE}={path} is no class; write it as package.module:Model")
        model = cls(path, {**arguments, **{key.removeprefix(_ARGUMENTS): value for key, value in alone.items()}})
        _ = model._made
        return model

    @property
    def path(self) -> tuple[str, ...]:
        """The folders in which a worker is to look for its module first."""
        return search_path([self.catalogue])

    @property
    def sizes(self) -> dict[str, Any]:
        """JSON-ready, by the names that a user types after `model.`."""
        return {CATALOGUE: self.catalogue, **{f"{_ARGUMENTS}{key}": value for key, value in self.arguments.items()}}

    @property
    def label(self) -> str:
        """The class's name, and its module's without the packages."""
        module, _, name = self.catalogue.partition(":")
        return f"{module.rpartition('.')[2]}:{name}"

    def batch_arrays(self) -> dict[str, Draw]:
        with self._running("batch_arrays"):
            batch = self._made.batch_arrays()
        if not isinstance(batch, dict) or not all(hasattr(drawn, "sample") for drawn in batch.values()):
            raise WorkloadError(
                f"{self.catalogue}: its batch_arrays must return a dict of draws, such as {{'x': draw.normal(8, 16)}}"
            )
        return batch

    def loss(self, ops: Ops, param: Param, **batch: Value) -> Value:
        with self._running("loss"):
            result = self._made.loss(ops, param, **batch)
        results = result if isinstance(result, tuple) else (result,)
        if not all(isinstance(value, Symbol) for value in results):
            raise WorkloadError(
                f"{self.catalogue}: its loss returns {'None' if result is None else f'a {type(result).__name__}'}; it "
                "must return what an op returned, such as ops.cross_entropy(x, labels)"
            )
        return result

    @cached_property
    def _made(self) -> Any:
        """The object. Raises WorkloadError."""
        name = self.catalogue.partition(":")[2]
        try:
            kind = imported(self.catalogue, [str(Path.cwd())], "package.module:Model")
        except UserCodeError as error:
            raise WorkloadError(str(error)) from error
        if not callable(kind):
            raise WorkloadError(f"{self.catalogue}: {name} is no class but of type {type(kind).__name__}")
        with self._running(name):
            made = kind(**self.arguments)
        for method in ("batch_arrays", "loss"):
            if not callable(getattr(made, method, None)):
                raise WorkloadError(
                    f"{self.catalogue}: it has no method {method}; there must be batch_arrays(self) and "
                    "loss(self, ops, param, **batch)"
                )
        return made

    @contextmanager
    def _running(self, what: str) -> Iterator[None]:
        """Turn an exception of the user's code, or of an op that it calls, into a sentence that says where."""
        try:
            yield
        except WorkloadError as error:
            raise WorkloadError(f"{self.catalogue}: {error} ({origin(error)})") from error
        except (Exception, SystemExit) as error:
            raise WorkloadError(f"{self.catalogue}: {what} raises {exception_text(error)}") from error
