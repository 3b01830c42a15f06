"""What a worker does with the workload in a folder: one of the catalogue's, or a user's own model."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from adapters.base import Executed, Program
from adapters.choices import Choices
from adapters.common.own_model import OwnModel, OwnModelError
from adapters.own import OwnAdapter
from adapters.replicated import Replicated
from harness.workload.own import OwnWorkload, read_own
from harness.workload.own_truth import read_refusal, read_truth, write_truth
from harness.workload.replicas import share
from harness.workload.spec import WorkloadError
from harness.workload.workload import compute_reference
from harness.workload.workload import load as load_workload

from .multiply_check import counted
from .protocol import Counted, Failure, Outcome, Verified
from .verify import verify
from .verify_replicas import verify_replicas


class Subject(Protocol):
    """One workload in one framework. Every method raises Failure, and what the framework raises."""

    @abstractmethod
    def write_reference(self, adapter: OwnAdapter, draw: bool) -> None:
        """Compute loss and gradients in float64, and write them; with `draw`, draw the arrays first."""

    @abstractmethod
    def load(self, adapter: OwnAdapter, execution: str, choices: Choices) -> Program:
        """The program, ready for first calls."""

    @property
    @abstractmethod
    def source(self) -> str:
        """Where the reference was computed that it is compared with; call it after `load`."""

    @abstractmethod
    def verify(self, program: Program, choices: Choices) -> Verified:
        """Compare every phase with the reference."""

    @abstractmethod
    def count(self, adapter: OwnAdapter, program: Program, execution: str, choices: Choices) -> dict[str, Counted]:
        """The multiplies of each phase."""


def subject_of(folder: Path, framework: str) -> Subject:
    """The workload in a folder, for a framework."""
    own = read_own(folder)
    return Own(own, folder, framework) if own else Traced(folder, framework)


class Traced(Subject):
    """A workload of the catalogue: it is compared with the oracle, and its multiplies with those of its trace."""

    def __init__(self, folder: Path, framework: str) -> None:
        self._folder, self._framework = folder, framework

    def write_reference(self, adapter: OwnAdapter, draw: bool) -> None:
        compute_reference(self._folder, self._framework, adapter.arithmetic(), draw)

    def load(self, adapter: OwnAdapter, execution: str, choices: Choices) -> Program:
        self._workload, arrays, self._expected = load_workload(self._folder, self._framework)
        directions = self._workload.directions() if choices.tangent else {}
        try:
            self._graph = share(self._workload, choices.replicas).graph
        except WorkloadError as error:
            raise Failure(Outcome.UNSUPPORTED, str(error)) from error
        return adapter.load(self._graph, arrays, execution, choices, directions)

    @property
    def source(self) -> str:
        return self._expected.source

    def verify(self, program: Program, choices: Choices) -> Verified:
        if isinstance(program, Replicated):
            return verify_replicas(program, self._workload.precision, self._expected)
        return verify(program, self._workload, self._expected, choices.optimizer, choices.deterministic)

    def count(self, adapter: OwnAdapter, program: Program, execution: str, choices: Choices) -> dict[str, Counted]:
        return counted(program, self._graph, adapter.departures(execution, choices), choices)


class Own(Subject):
    """A user's own model: it is compared with itself in float64, and its multiplies are reported, not judged."""

    def __init__(self, workload: OwnWorkload, folder: Path, framework: str) -> None:
        self._workload = workload
        self._folder, self._framework = folder, framework
        self._model = OwnModel(workload, framework, folder)

    def write_reference(self, adapter: OwnAdapter, draw: bool) -> None:
        try:
            write_truth(self._folder, self._framework, adapter.own_truth(self._model))
        except OwnModelError as error:
            raise _failure(error) from error

    def load(self, adapter: OwnAdapter, execution: str, choices: Choices) -> Program:
        if refusal := read_refusal(self._folder, self._framework):
            raise Failure(Outcome(refusal[0]), refusal[1])
        self._truth, self._adapter = read_truth(self._folder, self._framework), adapter
        try:
            return adapter.load_own(self._model, execution, choices)
        except OwnModelError as error:
            raise _failure(error) from error

    @property
    def source(self) -> str:
        return self._truth.reference.source

    def verify(self, program: Program, choices: Choices) -> Verified:
        try:
            verified = verify(program, self._workload, self._truth.reference, choices.optimizer, choices.deterministic)
        except Failure:
            raise
        except Exception as error:
            if refusal := self._adapter.refusal(error):
                raise Failure(Outcome.UNSUPPORTED, str(refusal)) from error
            raise
        return replace(verified, parameters=self._truth.parameters)

    def count(self, adapter: OwnAdapter, program: Program, execution: str, choices: Choices) -> dict[str, Counted]:
        executed = program.executed()
        notes = {phase: [self._truth.notes.get(phase, "")] for phase in executed}
        for phase, note in _impossible(executed).items():
            notes[phase].append(note)
        return {
            phase: Counted(count.matmuls, count.flops, count.seen, "; ".join(filter(None, notes[phase])))
            for phase, count in executed.items()
        }


def _impossible(executed: dict[str, Executed]) -> dict[str, str]:
    """Say of a phase that it multiplies less than it can, by what another phase executes."""
    flops = {phase: count.flops for phase, count in executed.items()}
    notes = {}
    if flops["backward"] < flops["forward"]:
        notes["backward"] = (
            f"it executes {flops['backward']:,} FLOPs and forward {flops['forward']:,}, so a part of forward has no "
            "gradient: frozen, detached, or constants that are multiplied in every call"
        )
    if flops["gradient"] < flops["inference"]:
        notes["gradient"] = (
            f"it executes {flops['gradient']:,} FLOPs, fewer than the {flops['inference']:,} of the forward pass that "
            "is a part of it: something is kept from an earlier call, or a compiler leaves it out"
        )
    return notes


def _failure(error: OwnModelError) -> Failure:
    return Failure(Outcome.INVALID if error.wrong else Outcome.ERROR, str(error))
