"""Each family of models once in each framework, small: loss and every gradient against the float64 oracle.

How close is close is for `harness/workload/rounding.py` to say; `tests/workload/test_rounding.py` keeps it tight.

`test_contract.py` keeps the whole contract, on a few models in every execution.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import pytest

from harness.workload.agreement import agreement
from harness.workload.oracle import Reference, reference
from harness.workload.workload import Workload

SIZES = {
    "alexnet": {"batch": 2, "image": 63, "classes": 10, "hidden": 32},
    "vgg16": {"batch": 2, "image": 32, "classes": 10, "hidden": 32},
    "resnet50": {"batch": 4, "image": 64, "classes": 10},
    "mobilenet_v2": {"batch": 4, "image": 64, "classes": 10},
    "convnext": {"batch": 2, "image": 64, "classes": 10, "blocks": 1, "width": 8},
    "unet": {"batch": 2, "image": 32, "width": 4},
    "linear_net": {"batch": 4, "inputs": 12},
    "one_net": {"batch": 4},
    "conv_net": {"batch": 2, "image": 32},
    "deeper_conv_net": {"batch": 2, "image": 32, "depth": 3},
}
EXECUTIONS = (("torch", "eager"), ("jax", "jit"), ("tensorflow", "graph"), ("numpy", "by_hand"))
LARGE = {"resnet50", "mobilenet_v2"}


@functools.cache
def work(name: str) -> tuple[Workload, Reference]:
    workload = Workload.of(name, SIZES[name])
    return workload, reference(workload.graph, workload.sample())


def combination(framework: str, execution: str, name: str) -> Any:
    marks = [pytest.mark.slow] if name in LARGE else []
    return pytest.param(framework, execution, name, id=f"{framework}-{execution}-{name}", marks=marks)


@pytest.mark.parametrize(
    ("framework", "execution", "name"),
    [combination(*v, name) for v in EXECUTIONS for name in SIZES if v[0] != "numpy" or name not in LARGE],
)
def test_loss_and_every_gradient_agree_with_the_oracle(framework: str, execution: str, name: str) -> None:
    workload, expected = work(name)
    adapter = importlib.import_module(f"adapters.{framework}").Adapter("cpu", 1, "fp32")
    program = adapter.load(workload.graph, workload.sample(), execution)
    loss, gradients = program.gradient()
    found = agreement([float(loss)], [program.export(gradients)], expected)
    print(f"loss off by {found.loss:.1e}, worst gradient {found.worst[0]} by {found.worst[1]:.1e}")
    assert found.failure("fp32") is None
