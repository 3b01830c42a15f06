"""Backprop written by hand, from the catalogue's rules in each framework's ops: the same answers, two for one."""

from __future__ import annotations

import pytest

from adapters.choices import Choices
from harness.workload.agreement import agreement
from harness.workload.oracle import reference
from harness.workload.trace import trace
from tests.adapters.test_contract import ONCE
from tests.helpers.executions import EXECUTIONS, WITH_AUTODIFF, adapter_of
from tests.helpers.op_cases import CASES, TIES, OpsModel
from tests.helpers.programs import run
from tests.helpers.small_models import LAYERS

pytestmark = pytest.mark.usefixtures("no_code_generation")


@pytest.mark.parametrize("autodiff", ["reverse", "by_hand", "by_hand_recomputed"])
@pytest.mark.parametrize(("framework", "execution"), EXECUTIONS)
def test_l_layers_take_l_multiplies_forward_and_2l_minus_1_backward(
    framework: str, execution: str, autodiff: str
) -> None:
    """By whatever way: whether the local gradient is cached or not has nothing to do with it."""
    _, verified, executed, differing = run(framework, execution, "mlp", autodiff=autodiff)
    assert (executed["forward"].matmuls, executed["backward"].matmuls) == (LAYERS, 2 * LAYERS - 1)
    assert not differing
    if autodiff != "reverse":
        activations = 4 * 4 * 16
        # Inputs of the linear layers; masks or inputs of the rectifiers; the loss's own.
        assert verified.residual_bytes == activations * (LAYERS - 1 + LAYERS - 1 + 1)


@pytest.mark.parametrize(("gradients", "ratio"), [("params", 1), ("both", 2)])
@pytest.mark.parametrize(("framework", "execution"), EXECUTIONS)
def test_a_first_layer_costs_backward_what_it_costs_forward_and_twice_if_something_is_below(
    framework: str, execution: str, gradients: str, ratio: int
) -> None:
    _, _, executed, differing = run(framework, execution, "one layer", gradients)
    assert executed["backward"].flops / executed["forward"].flops == ratio
    assert not differing


# torch compiles what eager runs; for all ops it would take a minute and a half.
OF_ITS_OWN = ("conv2d", "batch_norm", "max_pool", "avg_pool", "dot_interaction")


@pytest.mark.parametrize(("framework", "execution"), WITH_AUTODIFF)
def test_the_rule_of_every_op_agrees_with_the_oracle(framework: str, execution: str) -> None:
    few = [case for case in ONCE if case.op in OF_ITS_OWN]
    model = OpsModel({"compile": few, "jit": ONCE, "xla": ONCE}.get(execution, CASES + TIES))
    graph, arrays = trace(model), model.sample()
    program = adapter_of(framework).load(graph, arrays, execution, Choices(autodiff="by_hand"))
    loss, gradients = program.gradient()
    found = agreement([float(loss)], [program.export(gradients)], reference(graph, arrays))
    assert found.failure("fp32") is None
    assert all(error < 2e-5 for error in found.gradients.values()), found.worst


@pytest.mark.parametrize(("framework", "execution"), EXECUTIONS)
def test_explicit_jacobians_need_no_third_multiply(framework: str, execution: str) -> None:
    """To form one takes a product for each element, but no multiply of matrices."""
    _, _, executed, differing = run(framework, execution, "mlp", autodiff="jacobian")
    assert executed["backward"].matmuls == 2 * LAYERS - 1
    assert not differing
