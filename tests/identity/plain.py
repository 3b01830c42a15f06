"""Models that are written again in `tests/torch_models.py`, under our own names and in our own layout."""

from __future__ import annotations

from harness.workload.models import MODELS, Model
from tests.helpers import torch_models
from tests.identity import torch_module
from tests.identity.arrays import Answer, Arrays

NAMES = {model: name for name, model in MODELS.items()}


def named(ours: Model, weights: Arrays) -> Arrays:
    return weights


def answer(ours: Model, weights: Arrays, batch: Arrays) -> Answer:
    params = {name: torch_module.tensor(weight).requires_grad_() for name, weight in weights.items()}
    given = {name: torch_module.tensor(array) for name, array in batch.items()}
    return torch_module.answer(getattr(torch_models, NAMES[type(ours)])(params, ours, **given), params)
