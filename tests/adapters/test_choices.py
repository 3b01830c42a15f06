"""Implementation choices in every framework and execution: same answers, and the multiplies that each asks for."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from adapters.base import Choices, Unsupported
from adapters.extend import Extended
from harness.measure.clock import first_calls
from harness.measure.protocol import Failure
from harness.measure.verify import verify
from harness.workload.cost import phase_work
from harness.workload.models import MLP
from harness.workload.reference import reference
from harness.workload.workload import Workload
from tests.adapters.test_contract import EXECUTIONS, adapter_of, torch_as_it_was  # noqa: F401 (a fixture)

LAYERS = 3
SIZES = {
    "mlp": {"batch": 4, "depth": LAYERS, "width": 8},
    "gpt2": {"batch": 2, "tokens": 8, "layers": 1, "width": 16, "heads": 2, "vocabulary": 50, "context": 8},
    "resnet18": {"batch": 2, "image": 64, "classes": 10},
}
# The compilers that take seconds for a phase see the MLP alone.
QUICK = [(framework, execution) for framework, execution in EXECUTIONS if execution not in ("compile", "xla")]
FRAMEWORKS = [pair for pair in EXECUTIONS if pair[0] != "numpy"]


def slow_to_compile(pairs):
    return [
        pytest.param(*pair, marks=[pytest.mark.slow] if pair[1] in ("compile", "xla") else [], id="-".join(pair))
        for pair in pairs
    ]


@functools.cache
def work(model, gradients="params"):
    workload = Workload.of(model, SIZES[model], gradients=gradients)
    arrays = workload.sample()
    return workload, arrays, reference(workload.graph, arrays)


def run(framework, execution, model, gradients="params", **chosen):
    """The program, verified; and what each phase executes, with the phases where that is not what it should be."""
    workload, arrays, expected = work(model, gradients)
    choices, adapter = Choices(**chosen), adapter_of(framework)
    directions = workload.directions() if choices.tangent else {}
    program = adapter.load(workload.graph, arrays, execution, choices, directions)
    assert first_calls(adapter, program).keys() == set(program.phases)
    verified = verify(program, workload, expected, choices.optimizer)
    wanted = phase_work(workload.graph, choices.residuals, choices.autodiff)
    executed = program.executed()
    assert list(executed) == list(program.phases)
    differing = {
        phase
        for phase, found in executed.items()
        if (found.matmuls, found.flops) != (wanted[phase].matmuls, wanted[phase].flops)
    }
    assert all(len(executed[phase].note) > 20 for phase in differing), executed
    return program, verified, executed, differing


@pytest.mark.parametrize("autodiff", ["by_hand", "by_hand_recomputed"])
@pytest.mark.parametrize(("framework", "execution"), slow_to_compile(EXECUTIONS))
def test_backprop_by_hand_takes_one_multiply_forward_and_two_backward(framework, execution, autodiff):
    """Whether the local gradient is cached or not has nothing to do with it."""
    _, verified, executed, differing = run(framework, execution, "mlp", autodiff=autodiff)
    assert (executed["forward"].matmuls, executed["backward"].matmuls) == (LAYERS, 2 * LAYERS - 1)
    assert not differing
    activations = 4 * 4 * 8
    # Inputs of the linear layers; masks or inputs of the rectifiers; the loss's own.
    assert verified["residual_bytes"] == activations * (LAYERS - 1 + LAYERS - 1 + 1)


@pytest.mark.parametrize("autodiff", ["by_hand", "by_hand_recomputed"])
@pytest.mark.parametrize("model", ["gpt2", pytest.param("resnet18", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_the_rules_are_those_of_every_op_of_a_model(framework, execution, model, autodiff):
    _, _, _, differing = run(framework, execution, model, autodiff=autodiff)
    # Only a second forward pass of attention, whose result nobody reads, may be deleted.
    assert not differing or (autodiff, model) == ("by_hand_recomputed", "gpt2")


@pytest.mark.parametrize(("framework", "execution"), slow_to_compile(p for p in EXECUTIONS if p[1] != "compile"))
def test_explicit_jacobians_need_no_third_multiply(framework, execution):
    """To form one takes a product for each element, but no multiply of matrices."""
    _, _, executed, differing = run(framework, execution, "mlp", autodiff="jacobian")
    assert executed["backward"].matmuls == 2 * LAYERS - 1
    assert not differing


@pytest.mark.parametrize(("framework", "execution"), slow_to_compile(EXECUTIONS))
def test_gradients_of_inputs_and_of_parameters_apart(framework, execution):
    """One multiply a layer for inputs alone; two for both; and the first layer's dX makes the difference."""
    _, _, executed, differing = run(framework, execution, "mlp", "both")
    counts = {phase: found.matmuls for phase, found in executed.items()}
    assert counts["backward"] == 2 * LAYERS
    assert (counts["forward_inputs"], counts["backward_inputs"]) == (LAYERS, LAYERS)
    assert (counts["forward_params"], counts["backward_params"]) == (LAYERS, 2 * LAYERS - 1)
    assert not differing


@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_frozen_parameters_leave_one_multiply_a_layer_and_less_to_keep(framework, execution):
    _, frozen, executed, differing = run(framework, execution, "mlp", "inputs")
    assert executed["backward"].matmuls == LAYERS
    assert not differing
    _, whole, _, _ = run(framework, execution, "mlp", "params", autodiff="by_hand")
    assert frozen["residual_bytes"] <= whole["residual_bytes"]


@pytest.mark.parametrize("residuals", ["blocks", "all"])
@pytest.mark.parametrize(("framework", "execution"), slow_to_compile(FRAMEWORKS))
def test_checkpoints_compute_forward_again(framework, execution, residuals):
    """In the pair of forward and backward. Where both are one program, a compiler may find out and merge them."""
    _, verified, executed, differing = run(framework, execution, "mlp", residuals=residuals)
    again = {"blocks": LAYERS - 1, "all": LAYERS}[residuals]
    assert executed["forward"].matmuls == LAYERS
    if execution == "eager" and framework == "tensorflow":
        assert executed["backward"].matmuls == 3 * LAYERS  # whole parts, and a dX that nobody asked for
    elif (execution, residuals) == ("compile", "blocks"):
        assert 2 * LAYERS - 1 <= executed["backward"].matmuls <= 2 * LAYERS - 1 + again
    else:
        assert executed["backward"].matmuls == 2 * LAYERS - 1 + again
        assert differing <= {"gradient"}
    assert verified["residual_bytes"] == 0 or residuals == "blocks"


@pytest.mark.parametrize(("framework", "execution"), [pair for pair in QUICK if pair[0] != "numpy"])
def test_checkpoints_of_blocks_keep_less(framework, execution):
    _, stored, _, _ = run(framework, execution, "gpt2")
    _, checkpointed, _, _ = run(framework, execution, "gpt2", residuals="blocks")
    assert checkpointed["residual_bytes"] < stored["residual_bytes"] / 2


@pytest.mark.parametrize(("framework", "execution"), slow_to_compile(FRAMEWORKS))
def test_a_tangent_costs_what_forward_and_backward_cost(framework, execution):
    """One multiply for the value, two for the tangent; the first layer's input has none."""
    _, _, executed, _ = run(framework, execution, "mlp", tangent=True)
    rows = 1 if (framework, execution) == ("tensorflow", "eager") else 0
    zero = 0 if framework == "jax" else 1
    assert executed["tangent"].matmuls == 3 * LAYERS - 1 + zero + rows


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(("framework", "execution"), slow_to_compile(p for p in FRAMEWORKS if p[1] != "compile"))
def test_an_update_steps_copies_of_the_parameters(framework, execution, optimizer):
    """`verify` checks the step itself; the loss that the other phases see must stay the same."""
    program, verified, executed, _ = run(framework, execution, "mlp", optimizer=optimizer)
    assert executed["update"].matmuls == 0
    assert float(program.inference()) == pytest.approx(verified["loss"], rel=1e-6)


@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_an_update_follows_gradients_in_any_memory_layout(framework, execution):
    if framework != "numpy":
        run(framework, execution, "gpt2", optimizer="adam", autodiff="by_hand")


def test_torch_attention_unfused_needs_four_multiplies_backward_and_has_a_tangent():
    _, _, _, differing = run("torch", "eager", "gpt2", attention="unfused", tangent=True)
    assert not differing
    _, _, _, differing = run("torch", "eager", "gpt2", attention="fused")
    assert differing == {"backward", "gradient"}


@pytest.mark.slow
def test_torch_images_in_either_layout():
    for layout in ("nchw", "nhwc"):
        program, _, _, differing = run("torch", "eager", "resnet18", layout=layout)
        assert not differing
        assert program._inputs["x"].is_contiguous() == (layout == "nchw")


@pytest.mark.parametrize(
    ("framework", "model", "gradients", "chosen"),
    [
        ("torch", "mlp", "params", {"attention": "unfused"}),
        ("torch", "mlp", "params", {"layout": "nhwc"}),
        ("torch", "mlp", "inputs", {"optimizer": "sgd"}),
        ("torch", "mlp", "params", {"autodiff": "by_hand", "residuals": "all"}),
        ("torch", "mlp", "params", {"autodiff": "by_hand", "tangent": True}),
        ("torch", "gpt2", "params", {"autodiff": "jacobian"}),
        ("torch", "gpt2", "params", {"tangent": True}),
        ("jax", "gpt2", "params", {"attention": "fused"}),
        ("tensorflow", "gpt2", "params", {"attention": "fused"}),
        ("tensorflow", "resnet18", "params", {"layout": "nchw"}),
        ("numpy", "mlp", "params", {"tangent": True}),
        ("numpy", "mlp", "params", {"optimizer": "adam"}),
    ],
)
def test_what_a_framework_or_model_cannot_express_is_unsupported_in_one_sentence(framework, model, gradients, chosen):
    graph = Workload.of(model, SIZES[model], gradients=gradients).graph
    with pytest.raises(Unsupported) as refusal:
        adapter_of(framework).load(graph, {}, dict(EXECUTIONS)[framework], Choices(**chosen), {})
    assert len(str(refusal.value)) > 20
    assert "\n" not in str(refusal.value)


def spoilt(phase, change):
    """NumPy's program with one more phase, or one that answers something else."""
    workload, arrays, expected = work("mlp", "both")
    program = adapter_of("numpy").load(workload.graph, arrays, "by_hand")
    return Extended(program, {phase: change(program)}, dict), workload, expected


def test_a_wrong_tangent_is_invalid():
    workload, _, expected = work("mlp", "both")
    right = expected.along(workload.directions())
    verify(*spoilt("tangent", lambda program: lambda: (program.inference(), right)))
    with pytest.raises(Failure, match="tangent"):
        verify(*spoilt("tangent", lambda program: lambda: (program.inference(), 1.01 * right)))


def test_a_wrong_gradient_of_one_side_is_invalid():
    def off(program):
        return lambda kept: {name: 1.01 * array for name, array in program.backward_inputs(kept).items()}

    with pytest.raises(Failure, match="gradient of x"):
        verify(*spoilt("backward_inputs", off))


@pytest.mark.parametrize(("rate", "good"), [(1e-2, True), (1.01e-2, False)])
def test_a_wrong_step_is_invalid(rate, good):
    def update(program):
        copies = {name: array.copy() for name, array in program.arrays.items() if array.dtype == np.float32}

        def step(pair):
            for name, gradient in pair[1].items():
                copies[name] -= np.float32(rate) * gradient
            return copies

        return step

    found = spoilt("update", update)
    if good:
        verify(*found, "sgd")
    else:
        with pytest.raises(Failure, match="step of sgd"):
            verify(*found, "sgd")


def test_a_model_without_blocks_has_none_to_checkpoint():
    class NoBlocks(MLP):
        def loss(self, ops, param, x, labels):
            return ops.cross_entropy(ops.linear(x, param("w", self.batch_arrays()["x"])), labels)

    from harness.workload.trace import trace

    with pytest.raises(Unsupported, match="no blocks"):
        adapter_of("torch").load(trace(NoBlocks(batch=4, width=4)), {}, "eager", Choices(residuals="blocks"))
