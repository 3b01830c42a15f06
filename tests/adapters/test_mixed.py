"""bf16 as trained: multiplies in bf16, parameters and gradients in float32, and the multiplies that fp32 takes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from adapters.base import Choices, Unsupported
from adapters.common.refusals import check_choices
from harness.measure.clock import first_calls
from harness.measure.verify import verify
from harness.workload.agreement import LOSS_LIMIT
from harness.workload.ops import CATALOGUE
from harness.workload.oracle import reference
from harness.workload.workload import Workload
from tests.adapters.test_contract import adapter_of
from tests.helpers.programs import EXECUTIONS, QUICK, work
from tests.helpers.tiny import counts

pytestmark = pytest.mark.usefixtures("no_code_generation")

FRAMEWORKS = [pair for pair in EXECUTIONS if pair[0] != "numpy"]
CASES = [(*pair, model) for pair in FRAMEWORKS for model in ("mlp", "gpt2")]


def loaded(framework: str, execution: str, model: str, **chosen: Any) -> Any:
    """The program past its first calls, with its multiplies counted, and what `verify` says of it."""
    workload, arrays, expected = work(model)
    workload = dataclasses.replace(workload, precision="bf16_mixed")
    try:
        adapter = adapter_of(framework, precision="bf16_mixed")
    except Unsupported as refusal:
        pytest.skip(str(refusal))
    choices = Choices(**chosen)
    directions = workload.directions() if choices.tangent else {}
    program = adapter.load(workload.graph, arrays, execution, choices, directions)
    first_calls(adapter, program)
    counts(adapter, program, workload.graph, execution, choices)
    # Norms of a batch of two images are off by half in bf16 too.
    return program, verify(program, workload, expected, choices.optimizer) if model != "resnet18" else None


@pytest.mark.parametrize(("framework", "execution", "model"), CASES)
def test_multiplies_are_bf16s_and_so_many_as_ever(framework: str, execution: str, model: str) -> None:
    program, verified = loaded(framework, execution, model)
    assert max(verified.gradient_errors.values()) > 1e-4, "this is no bf16"
    assert all("float32" in str(array.dtype) for array in program.parameters().values())
    assert all("float32" in str(array.dtype) for array in program.gradient()[1].values())


@pytest.mark.parametrize(("framework", "execution"), FRAMEWORKS)
def test_rules_by_hand_are_mixed_too(framework: str, execution: str) -> None:
    program, verified = loaded(framework, execution, "mlp", autodiff="by_hand")
    assert max(verified.gradient_errors.values()) > 1e-4, "this is no bf16"
    assert all("float32" in str(array.dtype) for array in program.gradient()[1].values())


@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_norms_and_convolutions_are_mixed(framework: str, execution: str) -> None:
    program, _ = loaded(framework, execution, "resnet18")
    loss, gradients = program.gradient()
    assert float(loss) == pytest.approx(work("resnet18")[2].loss, rel=LOSS_LIMIT["bf16_mixed"])
    assert all("float32" in str(array.dtype) for array in gradients.values())


OPS = [op for op in CATALOGUE if op not in ("mse", "cross_entropy")]  # losses have no cotangent


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # torch has no fused rms_norm for them
@pytest.mark.parametrize("autodiff", ["reverse", "by_hand"])
@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_an_op_alone_has_data_and_cotangents_in_bf16_and_weights_in_float32(
    framework: str, execution: str, op: str, autodiff: str
) -> None:
    sizes = {"op": op, "batch": 3, "tokens": 4, "width": 8, "heads": 2, "image": 8, "channels": 4, "entries": 9}
    workload = Workload.of("op", sizes, precision="bf16_mixed")
    try:
        adapter = adapter_of(framework, precision="bf16_mixed")
    except Unsupported as refusal:
        pytest.skip(str(refusal))
    program = adapter.load(workload.graph, workload.sample(), execution, Choices(autodiff=autodiff))
    first_calls(adapter, program)
    verify(program, workload, reference(workload.graph, workload.sample()))
    weights = workload.graph.params.keys() - workload.graph.activations
    gradients = program.gradient()[1]
    assert {name for name, gradient in gradients.items() if "float32" in str(gradient.dtype)} == weights


def test_an_op_without_weights_has_nothing_to_step_along_in_mixed_precision() -> None:
    graph = Workload.of("op", {"op": "relu"}).graph
    with pytest.raises(Unsupported, match="an op without weights has no float32 parameters"):
        check_choices(graph, Choices(optimizer="sgd"), "bf16_mixed")
    check_choices(Workload.of("op", {"op": "linear"}).graph, Choices(optimizer="sgd"), "bf16_mixed")


@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_a_step_of_float32_parameters_is_float32s(framework: str, execution: str) -> None:
    """`verify` allows it what it allows in fp32."""
    loaded(framework, execution, "mlp", optimizer="adam", residuals="blocks")


@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_forward_mode_is_mixed(framework: str, execution: str) -> None:
    loaded(framework, execution, "mlp", tangent=True)
