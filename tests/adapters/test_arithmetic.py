"""A framework in float64 is as good a reference as NumPy, and finds what another framework does wrong."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
import torch

from adapters.base import Unsupported
from adapters.choices import Choices
from adapters.torch import primitives
from harness.workload.agreement import agreement
from harness.workload.arithmetic import NUMPY, Arithmetic
from harness.workload.oracle import Reference, reference
from harness.workload.trace import trace
from harness.workload.workload import Workload
from tests.helpers.executions import FRAMEWORKS, adapter_of
from tests.helpers.op_cases import CASES, TIES, OpsModel

EXACT = 1e-12
MODELS = {
    "mlp": {"batch": 4, "depth": 3, "width": 8},
    "gpt2": {"batch": 2, "tokens": 8, "layers": 2, "width": 16, "heads": 2, "vocabulary": 50, "context": 8},
    "resnet18": {"batch": 2, "image": 40, "classes": 10},
    "mobilenet_v2": {"batch": 4, "image": 64, "classes": 10},
    "convnext": {"batch": 2, "image": 64, "classes": 10, "blocks": 1, "width": 8},
    "unet": {"batch": 1, "image": 32, "width": 4},
    "lstm": {"batch": 3, "tokens": 4, "layers": 1, "width": 8, "vocabulary": 11},
}
QUICK = {("torch", name) for name in MODELS if name != "mobilenet_v2"} | {("jax", "mlp"), ("jax", "gpt2")}
PAIRS = [
    pytest.param(framework, name, marks=[] if (framework, name) in QUICK else [pytest.mark.slow])
    for framework in ("torch", "jax")
    for name in MODELS
    if (framework, name) != ("jax", "mobilenet_v2")  # a minute to compile; its ops are among all cases below
]


def arithmetic_of(framework: str) -> Arithmetic:
    """As a worker has it that computes a reference."""
    arithmetic: Arithmetic = adapter_of(framework, precision="fp64").arithmetic()
    return arithmetic


@functools.cache
def work(name: str) -> tuple[Workload, dict[str, np.ndarray], Reference]:
    workload = Workload.of(name, MODELS[name])
    arrays = workload.sample()
    return workload, arrays, reference(workload.graph, arrays)


@functools.cache
def computed(framework: str, name: str) -> Reference:
    """The framework's reference of a model, of its rules as they are."""
    workload, arrays, _ = work(name)
    return reference(workload.graph, arrays, arithmetic_of(framework))


def assert_exact(found: Reference, expected: Reference) -> None:
    assert found.loss == pytest.approx(expected.loss, rel=EXACT)
    errors = expected.gradient_errors(found.gradients)
    assert max(errors.values()) < EXACT, errors
    assert all(gradient.dtype == np.float64 for gradient in found.gradients.values())


@pytest.mark.parametrize(("framework", "name"), PAIRS)
def test_a_models_loss_and_gradients_are_the_oracles(framework: str, name: str) -> None:
    expected, found = work(name)[2], computed(framework, name)
    assert_exact(found, expected)
    version = {"torch": torch, "jax": jax}[framework].__version__.partition("+")[0]
    assert found.source == f"{framework} {version}, float64, by hand"
    assert expected.source == NUMPY.source == "oracle (NumPy, float64)"


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_every_op_is_the_oracles_ties_and_all(framework: str) -> None:
    model = OpsModel(CASES + TIES)
    graph, arrays = trace(model), model.sample()
    found = reference(graph, arrays, arithmetic_of(framework))
    assert_exact(found, reference(graph, arrays))


@pytest.mark.parametrize("framework", ["torch", "jax"])
@pytest.mark.parametrize("op", ["linear", "split"])
def test_an_op_alone_has_the_oracles_outputs(framework: str, op: str) -> None:
    workload = Workload.of("op", {"op": op, "batch": 2, "tokens": 4, "width": 8})
    arrays = workload.sample()
    expected = reference(workload.graph, arrays)
    found = reference(workload.graph, arrays, arithmetic_of(framework))
    assert_exact(found, expected)
    assert expected.loss_error(found.outputs) < EXACT
    assert all(output.dtype == np.float64 for output in found.outputs.values())


@pytest.mark.slow
def test_limits_are_set_by_an_error_in_float32() -> None:
    """Were both passes in float64, every gradient would have the least limit there is."""
    expected, found = work("mobilenet_v2")[2], computed("torch", "mobilenet_v2")
    assert found.allowed.gradients.keys() == expected.allowed.gradients.keys()
    ill_conditioned = [name for name, limit in expected.allowed.gradients.items() if limit > 1e-4]
    assert ill_conditioned
    assert all(found.allowed.gradients[name] > 2e-5 for name in ill_conditioned)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_biases_are_moved_as_numpy_moves_them(framework: str) -> None:
    """But for the last digit, which may hang on the order of a sum."""
    workload, arrays, _ = work("mlp")
    assert any((array != workload.graph.draws[name].sample(0, name)).any() for name, array in arrays.items())
    moved = workload.sample(arithmetic_of(framework))
    assert moved.keys() == arrays.keys()
    for name, array in arrays.items():
        assert moved[name].dtype == array.dtype
        np.testing.assert_allclose(moved[name], array, rtol=3e-7, err_msg=name)


@pytest.mark.parametrize("name", ["tanh", "softmax", "rsqrt"])
def test_a_fault_in_torchs_rules_is_found_by_jax_and_not_by_torch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workload, arrays, _ = work("gpt2")
    by_jax = computed("jax", "gpt2")
    right = getattr(primitives, name)
    monkeypatch.setattr(primitives, name, lambda x: 1.001 * right(x))
    program = adapter_of("torch").load(workload.graph, arrays, "eager", Choices(autodiff="by_hand"))
    loss, gradients = program.gradient()
    by_torch = reference(workload.graph, arrays, arithmetic_of("torch"))

    def failure(expected: Reference) -> str:
        return agreement([float(loss)], [program.export(gradients)], expected).failure("fp32") or ""

    assert "is off by" in failure(by_jax)
    assert failure(by_torch) == ""


@pytest.mark.parametrize("framework", sorted(set(FRAMEWORKS) - {"torch", "jax"}))
def test_other_frameworks_are_no_reference(framework: str) -> None:
    with pytest.raises(Unsupported, match=f"^{framework}: "):
        adapter_of(framework).arithmetic()
