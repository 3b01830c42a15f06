"""The part of the contract between the harness and a framework that is about a user's own model."""

from __future__ import annotations

from typing import Protocol

from harness.workload.own_truth import Truth

from .base import Adapter, Program
from .choices import DEFAULT, Choices
from .common.own_model import OwnModel


class OwnAdapter(Adapter, Protocol):
    """An adapter that also runs models which are not in the catalogue, as far as its framework can."""

    def load_own(self, model: OwnModel, execution: str, choices: Choices = DEFAULT) -> Program:
        """The model as `load` has a workload, after its truth was written. Raises Unsupported and OwnModelError."""

    def own_truth(self, model: OwnModel) -> Truth:
        """The model in float64, by this framework itself; the adapter's precision is fp64, whatever the model's is.

        Of Keras, the first framework's also writes the weights and the batch that all others take.
        Raises Unsupported, and OwnModelError for all that is wrong with the model.
        """
