"""Builds a user's own model: imports its module, calls its factory, and says in one sentence what is wrong with it."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.workload.frozen import matching
from harness.workload.own import OwnWorkload
from harness.workload.own_truth import Truth, read_truth
from harness.workload.spec import WorkloadError
from harness.workload.user_code import UserCodeError, exception_text, imported

from ..base import is_out_of_memory


class OwnModelError(Exception):
    """A user's own model cannot be measured. The message is one sentence.

    `wrong` tells a model that runs, but not as it should, from one that does not run.
    """

    def __init__(self, sentence: str, wrong: bool = False) -> None:
        super().__init__(sentence)
        self.wrong = wrong


class Built(NamedTuple):
    """What a factory returned, and what is to be said of it, by phase."""

    parameters: Any
    batch: Any
    loss: Callable[[Any, Any], Any]
    notes: dict[str, str]


@dataclass(frozen=True)
class OwnModel:
    """A user's own model for one framework. `folder` is that of the workload, in which Keras's weights are shared."""

    workload: OwnWorkload
    framework: str
    folder: Path

    def __str__(self) -> str:
        return str(self.workload.factory(self.framework))

    @property
    def uses_keras(self) -> bool:
        """Whether the model is one of Keras."""
        return self.workload.uses_keras(self.framework)

    def build(self, prepare: Callable[[], None] = lambda: None) -> Built:
        """Import the module, `prepare`, and call the factory, with the seed set. Raises OwnModelError."""
        name = str(self).partition(":")[2]
        try:
            factory = imported(str(self), self.workload.path, "package.module:function")
        except UserCodeError as error:
            raise OwnModelError(str(error)) from error
        if not callable(factory):
            raise OwnModelError(f"{self}: {name} is {_kind(factory)}; it must be a function that returns the model")
        random.seed(self.workload.seed)
        np.random.seed(self.workload.seed % 2**32)
        prepare()
        before = threading.enumerate()
        with self.running(str(self)):
            returned = factory(**self.workload.arguments)
        if not isinstance(returned, tuple) or len(returned) != 3 or not callable(returned[2]):
            raise OwnModelError(
                f"{self} returned {_described(returned)}; it must return (parameters, batch, loss), "
                "with loss(parameters, batch) a scalar"
            )
        started = ", ".join(thread.name for thread in threading.enumerate() if thread not in before)
        notes = {"inference": f"{self} leaves threads running ({started}), which disturb all phases"} if started else {}
        return Built(*returned, notes)

    def frozen(self, names: Collection[str]) -> frozenset[str]:
        """Those parameters of some names that the config freezes. Raises OwnModelError if these are none, or all."""
        setting, trained = self.workload.frozen, set(names)
        if not setting or not trained:
            return frozenset()
        try:
            matched = matching(setting, names)
        except WorkloadError as error:
            raise OwnModelError(f"{self}: {error}") from error
        if matched == trained:
            raise OwnModelError(f"{self}: frozen={setting} leaves no parameter that is trained; freeze fewer")
        return matched

    @property
    def truth(self) -> Truth:
        """The reference that the model is compared with, which must have been computed before."""
        return read_truth(self.folder, self.framework)

    def check_drawn(self, drawn: str, before: str) -> None:
        """Require that this build has the same weights and batch as the one before, by their digests."""
        if drawn != before:
            raise OwnModelError(
                f"{self} returns other weights or another batch each time, although the seeds are set; draw them from "
                "generators with a fixed seed",
                wrong=True,
            )

    @contextlib.contextmanager
    def running(self, what: str) -> Iterator[None]:
        """Turn an exception of the user's own code into an OwnModelError that says where it was raised."""
        try:
            yield
        except OwnModelError:
            raise
        except (Exception, SystemExit) as error:
            if is_out_of_memory(error):
                raise  # which is an outcome of its own
            raise OwnModelError(f"{what} raises {exception_text(error)}") from error


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}" if value is not None else "None"


def _described(value: Any) -> str:
    return f"a tuple of {', '.join(map(_kind, value))}" if isinstance(value, tuple) else _kind(value)
