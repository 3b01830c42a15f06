"""Every model of the catalogue against an independent version of it: the same weights, loss, and every gradient.

Where a library has the model, the independent version is the library's, else one of ours in plain torch. Everything
is in float64 there, and the oracle's here, so that nothing but the maths can differ: another epsilon shows as plainly
as a missing rectifier. Each adapter is held to the oracle elsewhere.

An independent version is a module beside this file with two functions: `named`, our parameters or their gradients by
its names and in its layout; and `answer`, its loss and gradients, given our weights and batch.
"""

from __future__ import annotations

import importlib
import importlib.util
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from harness.workload.models import MODELS, build, sizes
from harness.workload.ops import CATALOGUE
from harness.workload.oracle import reference
from harness.workload.trace import Graph, trace
from tests.helpers.tiny import sample

AGREES = 1e-10  # of a gradient's norm: float64 rounding, through many layers


@dataclass(frozen=True)
class Case:
    """A model at small sizes, the module of its independent version, and the package that it needs.

    `stretched` is a factor on the scales of norms: as drawn, no value of so small a batch would reach 6 in a relu6.
    """

    model: str
    version: str
    sizes: dict[str, Any]
    package: str = "torch"
    stretched: float = 1.0

    def arrays(self, graph: Graph) -> dict[str, np.ndarray]:
        """As they are drawn, but for the scales."""
        drawn = sample(graph)
        return {name: a * np.float32(self.stretched) if name.endswith(".scale") else a for name, a in drawn.items()}

    def __str__(self) -> str:
        chosen = (f"{name}={self.sizes[name]}" for name in choices(self.model) if name in self.sizes)
        return "-".join((self.version, self.model, *chosen))


def choices(model: str) -> list[str]:
    """The fields of a model that are more than a whole number: each may change what is computed."""
    kinds = typing.get_type_hints(MODELS[model])
    return [name for name in sizes(MODELS[model]()) if kinds[name] is not int]


def transformers(model: str, version: str, **given: Any) -> Case:
    return Case(model, version, given, package="transformers")


def keras(model: str, **given: Any) -> Case:
    return Case(model, "keras_applications", given, package="keras")


def plain(model: str, **given: Any) -> Case:
    return Case(model, "plain", given)


TEXT = {"batch": 3, "tokens": 6, "layers": 2, "width": 16, "vocabulary": 31}
DECODER = TEXT | {"heads": 2, "context": 8}
RESNET = {"batch": 3, "image": 33, "classes": 5}
ATTENTION = {"batch": 2, "tokens": 5, "width": 16, "heads": 4}
OP = {"batch": 3, "tokens": 4, "width": 8, "heads": 2, "image": 8, "channels": 4, "groups": 2, "entries": 9}
OBLONG = {"op": "conv2d", "shapes": [[2, 9, 6, 3], [4, 2, 3, 5], [5]], "attrs": {"stride": 2, "padding": 1}}

CASES = (
    transformers("gpt2", "gpt2", **DECODER),
    transformers("bert", "bert", **DECODER, classes=3),
    transformers("bert", "bert", **DECODER, classes=3, dropout=0.25),
    transformers("llama", "llama", **TEXT, heads=4, kv_heads=2, hidden=24),
    transformers("vit", "vit", batch=2, image=12, patch=4, layers=2, width=16, heads=2, classes=5),
    transformers("convnext", "convnext", batch=2, image=64, classes=5, blocks=1, width=4),
    transformers("resnet18", "resnet", **RESNET),
    transformers("resnet18", "resnet", **RESNET, batch_norm="inference"),
    transformers("resnet34", "resnet", **RESNET),
    transformers("resnet50", "resnet", **RESNET),
    keras("vgg16", batch=2, image=64, classes=5, hidden=8),
    # 65, 33, 17, 9, 5: odd at every stride.
    keras("resnet50", batch=2, image=65, classes=5, stride_in_1x1=True),
    Case("mobilenet_v2", "keras_applications", {"batch": 2, "image": 65, "classes": 5}, "keras", stretched=4.0),
    *(Case(model, "recurrent", TEXT | {"loop": loop}) for model in ("lstm", "gru") for loop in ("native", "unrolled")),
    plain("mlp", batch=4, depth=3, width=8),
    plain("mlp", batch=4, depth=3, width=8, inputs=5, classes=3),
    plain("resnet18", **RESNET),
    plain("gpt2", **DECODER),
    plain("alexnet", batch=2, image=96, classes=5, hidden=8),
    plain("unet", batch=2, image=32, classes=3, width=4),
    plain("mixer", batch=2, image=12, patch=4, layers=2, width=16, token_hidden=6, channel_hidden=10, classes=5),
    plain("dlrm", batch=5, tables=3, entries=7, width=4, hidden=6, numbers=5),
    *(plain("attention", **ATTENTION, kv_heads=few, causal=causal) for few in (None, 2) for causal in (True, False)),
    plain("linear_net", batch=3, inputs=6),
    plain("one_net", batch=3),
    plain("conv_net", batch=2, image=32),
    plain("deeper_conv_net", batch=2, image=32, depth=3),
    *(Case("op", "single_op", OP | {"op": op}) for op in CATALOGUE),
    Case("op", "single_op", OBLONG),
    Case("op", "single_op", {"op": "multiply", "shapes": [[2, 3, 4], [4]], "constant": [1]}),
    Case("op", "single_op", {"op": "attention", "shapes": [[2, 5, 8]] * 3 + [[2, 5]], "attrs": {"causal": False}}),
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several would wait for each other, at these sizes and beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_loss_and_every_gradient_are_those_of_an_independent_version(case: Case) -> None:
    if importlib.util.find_spec(case.package) is None:
        pytest.skip(f"{case.package} is not installed")
    theirs = importlib.import_module(f"tests.identity.{case.version}")
    model = build(case.model, case.sizes)
    graph = trace(model)
    arrays = case.arrays(graph)
    ours = reference(graph, arrays)
    expected = theirs.named(model, ours.gradients)
    weights, batch = ({name: arrays[name] for name in names} for names in (graph.params, graph.inputs))
    loss, gradients = theirs.answer(model, weights, batch)
    assert loss == pytest.approx(ours.loss, rel=1e-12)
    assert gradients.keys() == expected.keys()
    total = ours.norm
    for name, gradient in gradients.items():
        assert gradient.shape == expected[name].shape, name
        norm = np.linalg.norm(expected[name])
        # A key's bias moves all scores of a row alike: its gradient is zero, and what is left is rounding.
        scale = norm if norm > 1e-9 * total else total
        assert np.linalg.norm(gradient - expected[name]) <= AGREES * scale, name


def test_every_model_has_an_independent_version() -> None:
    assert {case.model for case in CASES} == set(MODELS)


def test_every_op_has_one_of_its_own() -> None:
    assert {case.sizes["op"] for case in CASES if case.model == "op"} == set(CATALOGUE)


@pytest.mark.parametrize(("model", "choice"), [(model, choice) for model in MODELS for choice in choices(model)])
def test_every_choice_is_compared_both_ways(model: str, choice: str) -> None:
    """In the model itself, or in one from which it has the choice: ResNet-34 has ResNet-18's batch norm."""
    default = getattr(MODELS[model](), choice)
    alike = [case for case in CASES if issubclass(MODELS[model], MODELS[case.model]) and choice in choices(case.model)]
    assert len({repr(case.sizes.get(choice, default)) for case in alike}) > 1
