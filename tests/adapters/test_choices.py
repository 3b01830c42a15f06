"""Implementation choices in every framework and execution: same answers, and the multiplies that each asks for."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import Unsupported
from adapters.choices import Choices
from harness.workload.cost import cost, phase_work
from harness.workload.models import MLP
from harness.workload.trace import trace
from tests.helpers.executions import EXECUTIONS, QUICK, WITH_AUTODIFF, adapter_of
from tests.helpers.programs import run, work
from tests.helpers.small_models import LAYERS

pytestmark = pytest.mark.usefixtures("no_code_generation")


@pytest.mark.parametrize(("framework", "execution"), EXECUTIONS)
def test_gradients_of_inputs_and_of_parameters_apart(framework: str, execution: str) -> None:
    """One multiply a layer for inputs alone; two for both; and the first layer's dX makes the difference."""
    _, _, executed, differing = run(framework, execution, "mlp", "both")
    counts = {phase: found.matmuls for phase, found in executed.items()}
    assert counts["backward"] == 2 * LAYERS
    assert (counts["forward_inputs"], counts["backward_inputs"]) == (LAYERS, LAYERS)
    assert (counts["forward_params"], counts["backward_params"]) == (LAYERS, 2 * LAYERS - 1)
    assert not differing


@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_frozen_parameters_leave_one_multiply_a_layer_and_less_to_keep(framework: str, execution: str) -> None:
    _, frozen, executed, differing = run(framework, execution, "mlp", "inputs")
    assert executed["backward"].matmuls == LAYERS
    assert not differing
    _, whole, _, _ = run(framework, execution, "mlp", "params", autodiff="by_hand")
    assert frozen.residual_bytes <= whole.residual_bytes


@pytest.mark.parametrize("residuals", ["blocks", "all"])
@pytest.mark.parametrize(("framework", "execution"), WITH_AUTODIFF)
def test_checkpoints_compute_forward_again(framework: str, execution: str, residuals: str) -> None:
    """In the pair of forward and backward. Where both are one program, a compiler may find out and merge them.

    The last layer's product ends a block and is not read in it: only TensorFlow's eager checkpoint computes it again.
    """
    _, verified, executed, _ = run(framework, execution, "mlp", residuals=residuals)
    whole = residuals == "all" or (framework, execution) == ("tensorflow", "eager")
    again = LAYERS if whole else LAYERS - 1
    assert executed["forward"].matmuls == LAYERS
    if (execution, residuals) == ("compile", "blocks"):
        assert 2 * LAYERS - 1 <= executed["backward"].matmuls <= 2 * LAYERS - 1 + again
    else:
        assert executed["backward"].matmuls == 2 * LAYERS - 1 + again
        added = executed["backward"].flops - phase_work(work("mlp")[0].graph)["backward"].flops
        assert added / executed["forward"].flops == pytest.approx(again / LAYERS, rel=0.01)
    assert verified.residual_bytes == 0 or residuals == "blocks"


def test_a_checkpoint_runs_a_loop_again() -> None:
    (_, _, stored, _), (_, _, whole, _) = (run("tensorflow", "graph", "lstm", residuals=r) for r in ("store", "all"))
    assert whole["backward"].matmuls - stored["backward"].matmuls == stored["forward"].matmuls


@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_checkpoints_of_blocks_keep_less(framework: str, execution: str) -> None:
    workload, arrays, _ = work("gpt2")

    def kept(residuals: str) -> Any:
        program = adapter_of(framework).load(workload.graph, arrays, execution, Choices(residuals=residuals))
        return program.residual_bytes(program.forward())

    assert 0 < kept("blocks") < kept("store") / 2


@pytest.mark.parametrize(("framework", "execution"), WITH_AUTODIFF)
def test_a_tangent_takes_twice_the_flops_of_the_value(framework: str, execution: str) -> None:
    """Each product splits in two, as it does in reverse mode."""
    _, _, executed, _ = run(framework, execution, "mlp", "both", tangent=True)
    value = executed["inference"].flops
    assert (executed["tangent"].flops - value) / value == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_the_tangent_of_a_constant_is_left_out_or_noted(framework: str, execution: str) -> None:
    """Without the inputs' tangent the first layer has one product less; torch and TensorFlow multiply zeros."""
    _, _, executed, differing = run(framework, execution, "mlp", tangent=True)
    assert executed["tangent"].matmuls >= 3 * LAYERS - 1
    assert ("tangent" in differing) == (framework != "jax")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(("framework", "execution"), WITH_AUTODIFF)
def test_an_update_steps_copies_of_the_parameters(framework: str, execution: str, optimizer: str) -> None:
    """`verify` checks the step itself; the loss that the other phases see must stay the same."""
    program, verified, executed, _ = run(framework, execution, "mlp", optimizer=optimizer)
    assert executed["update"].matmuls == 0
    assert float(program.inference()) == pytest.approx(verified.loss, rel=1e-6)


def test_an_update_of_torch_follows_gradients_in_any_memory_layout() -> None:
    run("torch", "eager", "gpt2", optimizer="adam", autodiff="by_hand")


def test_torch_attention_unfused_needs_four_multiplies_backward_and_has_a_tangent() -> None:
    _, _, _, differing = run("torch", "eager", "gpt2", attention="unfused", tangent=True)
    assert not differing
    _, _, _, differing = run("torch", "eager", "gpt2", attention="fused")
    assert differing == {"backward", "gradient"}


@pytest.mark.slow
def test_torch_images_in_either_layout() -> None:
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
        ("torch", "lstm", "params", {"tangent": True}),
        ("jax", "gpt2", "params", {"attention": "fused"}),
        ("jax", "resnet18", "params", {"layout": "nchw"}),
        ("tensorflow", "gru", "params", {"tangent": True}),
        ("tensorflow", "gpt2", "params", {"attention": "fused"}),
        ("tensorflow", "resnet18", "params", {"layout": "nchw"}),
        ("torch", "mlp", "params", {"fusion": "single"}),
        ("tensorflow", "mlp", "params", {"fusion": "single"}),
        ("jax", "mlp", "params", {"kernels": "plain"}),
        ("torch", "gpt2", "params", {"autodiff": "by_hand", "attention": "flash"}),
        ("torch", "mlp", "params", {"mode": "cudagraphs"}),
        ("jax", "mlp", "params", {"mode": "cudagraphs"}),
        ("tensorflow", "mlp", "params", {"mode": "autotune_cudagraphs"}),
        ("tensorflow", "gpt2", "params", {"attention": "math"}),
        ("numpy", "mlp", "params", {"deterministic": True}),
        ("numpy", "mlp", "params", {"kernels": "onednn"}),
        ("numpy", "mlp", "params", {"tangent": True}),
        ("numpy", "mlp", "params", {"optimizer": "adam"}),
    ],
)
def test_what_a_framework_or_model_cannot_express_is_unsupported_in_one_sentence(
    framework: str, model: str, gradients: str, chosen: dict[str, Any]
) -> None:
    graph = work(model, gradients)[0].graph
    with pytest.raises(Unsupported) as refusal:
        adapter_of(framework).load(graph, {}, dict(EXECUTIONS)[framework], Choices(**chosen), {})
    assert len(str(refusal.value)) > 20
    assert "\n" not in str(refusal.value) and not str(refusal.value).endswith(".")


def test_a_step_in_bf16_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="bf16"):
        adapter_of("jax", precision="bf16").load(work("mlp")[0].graph, {}, "jit", Choices(optimizer="sgd"))


@pytest.mark.parametrize(("framework", "execution"), [("jax", "jit"), ("tensorflow", "graph")])
def test_nhwc_is_how_images_lie_where_it_is_the_only_layout(framework: str, execution: str) -> None:
    workload, arrays, _ = work("unet")
    program = adapter_of(framework).load(workload.graph, arrays, execution, Choices(layout="nhwc"))
    assert float(program.inference()) == pytest.approx(work("unet")[2].loss, rel=1e-5)


def test_a_model_without_blocks_has_none_to_checkpoint() -> None:
    class NoBlocks(MLP):
        def loss(self, ops: Any, param: Any, x: Any, labels: Any) -> Any:
            return ops.cross_entropy(ops.linear(x, param("w", self.batch_arrays()["x"])), labels)

    with pytest.raises(Unsupported, match="no blocks"):
        adapter_of("torch").load(trace(NoBlocks(batch=4, width=4)), {}, "eager", Choices(residuals="blocks"))


@pytest.mark.parametrize(("framework", "execution"), [("torch", "eager"), ("jax", "jit"), ("tensorflow", "graph")])
def test_a_loop_computes_one_state_more_than_is_asked_and_says_so(framework: str, execution: str) -> None:
    """The extra FLOPs are those of one step's product, in each layer."""
    workload = work("two lstms")[0]
    sizes: Any = workload.model
    extra = sizes.layers * 2 * sizes.batch * sizes.width * 4 * sizes.width
    _, _, executed, differing = run(framework, execution, "two lstms")
    assert executed["backward"].flops == cost(workload.graph).backward.flops + extra
    assert "backward" in differing
