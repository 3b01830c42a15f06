"""What `load` does in every framework, and what a framework fills in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Container, Mapping
from typing import Any, ClassVar

import numpy as np

from harness.workload.arithmetic import Arithmetic
from harness.workload.own_truth import Truth
from harness.workload.trace import Graph

from ..base import NO_DIRECTIONS, PHASES, Program, Unsupported
from ..choices import DEFAULT, Choices
from ..own import OwnAdapter
from ..replicated import Replicated
from .own_model import OwnModel
from .program import PAIR, CoreRequest, Extended, Update
from .refusals import check_choices, check_execution, check_lacking, check_own_choices


class CommonAdapter(OwnAdapter):
    """An adapter whose framework fills in the methods that begin with an underscore.

    `name` is what a config and a refusal call the framework; `lacks` are the choices that it does not have at all.
    """

    name: ClassVar[str]
    lacks: ClassVar[tuple[str, ...]] = ()

    def __init__(self, precision: str) -> None:
        self._precision = precision

    def load(
        self,
        graph: Graph,
        arrays: Mapping[str, np.ndarray],
        execution: str,
        choices: Choices = DEFAULT,
        directions: Mapping[str, np.ndarray] = NO_DIRECTIONS,
    ) -> Program:
        check_execution(self.name, execution, self.executions)
        check_choices(graph, choices, self._precision)
        check_lacking(self.name, choices, self.lacks)
        self._prepare(graph, execution, choices)
        if choices.replicas > 1:
            return self._replicated(graph, arrays, execution, choices)
        narrow = graph.activations if self._precision == "bf16_mixed" else ()
        placed = self._place({name: arrays[name] for name in graph.draws}, narrow)
        along = self._place(directions, narrow)
        phases = (*PHASES, "tangent") if directions else PHASES
        core = self._program(CoreRequest(graph, placed, phases, along), execution, choices)
        sides = {}
        if graph.gradients == "both":
            requests = {side: CoreRequest(graph.side(side), placed, PAIR) for side in ("inputs", "params")}
            sides = {side: self._program(request, execution, choices) for side, request in requests.items()}
        update = None if choices.optimizer == "none" else self._update(choices.optimizer, core, execution)
        return Extended(core, sides, update) if sides or update else core

    def load_own(self, model: OwnModel, execution: str, choices: Choices = DEFAULT) -> Program:
        check_execution(self.name, execution, self.executions)
        check_own_choices(choices, self._precision)
        check_lacking(self.name, choices, self.lacks)
        self._apply_process_settings(execution, choices)
        core = self._own_program(model, execution, choices)
        update = None if choices.optimizer == "none" else self._update(choices.optimizer, core, execution)
        return Extended(core, {}, update) if update else core

    def own_truth(self, model: OwnModel) -> Truth:
        """Refuse; a framework that runs users' own models, and so is its own reference, overrides this."""
        raise Unsupported(f"{self.name}: it runs no models of your own")

    def _own_program(self, model: OwnModel, execution: str, choices: Choices) -> Program:
        """A core program of a user's own model, of PHASES."""
        raise Unsupported(f"{self.name}: it runs no models of your own")

    def _apply_process_settings(self, execution: str, choices: Choices) -> None:
        """Put in force what is chosen for the whole process, whatever the model. Raises Unsupported."""

    def _prepare(self, graph: Graph, execution: str, choices: Choices) -> None:
        """`_apply_process_settings`, and raise Unsupported for what the framework cannot do with this model."""
        self._apply_process_settings(execution, choices)

    def _place(self, arrays: Mapping[str, np.ndarray], narrow: Container[str]) -> Mapping[str, Any]:
        """The arrays as the framework's programs take them; those named in `narrow` in bf16, whatever the others are.

        A framework that converts arrays later, in its programs, does the same there.
        """
        return arrays

    @abstractmethod
    def _program(self, request: CoreRequest, execution: str, choices: Choices) -> Program:
        """A core program, of the phases that `request` names."""

    def _replicated(
        self, graph: Graph, arrays: Mapping[str, np.ndarray], execution: str, choices: Choices
    ) -> Replicated:
        """A program of several replicas, each of which runs `graph` on its part of the arrays."""
        raise Unsupported(f"{self.name}: a batch is not split among replicas here; choose replicas=1")

    def _update(self, optimizer: str, core: Program, execution: str) -> Update:
        """The phase `update` beside a core program. Raises Unsupported where the framework has no optimizers here."""
        raise Unsupported(f"{self.name}: it has no optimizer={optimizer} here")

    def refusal(self, error: Exception) -> Unsupported | None:
        """Translate nothing; a framework with exceptions of its own for what it lacks overrides this."""
        return None

    def arithmetic(self) -> Arithmetic:
        """Refuse; a framework that can be a reference overrides this to give its primitives."""
        raise Unsupported(f"{self.name}: it computes no references here")

    def device_seconds(self, call: Callable[[], Any]) -> tuple[Any, float | None]:
        """Call without timing; a framework that gives access to events on the device overrides this."""
        return call(), None

    def overwriting(self, size: int) -> Callable[[], Any]:
        """Refuse; a framework that runs on a GPU overrides this to overwrite a buffer there."""
        raise Unsupported(f"{self.name}: it is not asked for on a CPU")

    def peak_bytes(self, call: Callable[[], Any]) -> tuple[Any, int | None]:
        """Call without counting; a framework that knows what its allocator gives out overrides this."""
        return call(), None

    peak_source = "the framework's allocator"

    @property
    def counts_all_memory(self) -> bool:
        return True
