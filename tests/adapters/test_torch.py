"""The torch adapter: its answers, the multiplies that it runs, and one test for each trap in these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from harness.workload.trace import Graph

torch = pytest.importorskip("torch")

from torch._dynamo.exc import FailOnRecompileLimitHit  # noqa: E402
from torch._dynamo.utils import counters  # noqa: E402

from adapters.base import PHASES, Unsupported  # noqa: E402
from adapters.torch import Adapter, adapter  # noqa: E402
from adapters.torch.counting import Tally  # noqa: E402
from harness.workload import draw  # noqa: E402
from harness.workload.cost import phase_work  # noqa: E402
from harness.workload.models import MLP  # noqa: E402
from harness.workload.trace import trace  # noqa: E402
from tests.helpers.small_models import EveryImageOp  # noqa: E402
from tests.helpers.tiny import TINY_GPT2, TINY_MLP, answers, sample  # noqa: E402


@dataclass(frozen=True)
class Clash:
    """One weight, wanted in two layouts."""

    def batch_arrays(self) -> Any:
        return {"x": draw.normal(2, 4), "labels": draw.integers(2, high=4)}

    def loss(self, ops: Any, param: Any, x: Any, labels: Any) -> Any:
        w = param("w", draw.he(4, 4))
        return ops.cross_entropy(ops.tied_linear(ops.linear(x, w), w), labels)


MODELS: dict[str, Any] = {
    "mlp": TINY_MLP,
    "gpt2": TINY_GPT2,
    "image": EveryImageOp(),
}
CASES = [
    ("eager", "mlp", "params"),
    ("eager", "mlp", "both"),
    ("eager", "gpt2", "params"),
    ("eager", "image", "both"),
    ("compile", "mlp", "params"),
    ("compile", "gpt2", "params"),
    ("compile", "image", "both"),
]


# `test_torch_settings.py` tests generated code.
pytestmark = pytest.mark.usefixtures("no_code_generation")


@pytest.fixture(scope="module")
def programs(no_code_generation: None) -> dict[str, Any]:
    """The tiny MLP by execution, past its first calls."""
    return {execution: first_calls(load(TINY_MLP, execution)[0]) for execution in Adapter.executions}


def load(model: Any, execution: str = "eager", gradients: str = "params", precision: str = "fp32") -> tuple[Any, Graph]:
    graph = trace(model, gradients)
    return Adapter("cpu", 1, precision).load(graph, sample(graph), execution), graph


def first_calls(program: Any) -> Any:
    answers(program)
    return program


def compilations() -> tuple[int, int]:
    return counters["stats"]["unique_graphs"], counters["aot_autograd"]["total"]


@pytest.mark.parametrize(("execution", "name", "gradients"), CASES)
def test_later_calls_compile_nothing_and_answer_the_same_bit_for_bit(execution: str, name: str, gradients: str) -> None:
    program, _ = load(MODELS[name], execution, gradients)
    before = answers(program)
    compiled = compilations()
    program.gradient()
    program.backward(program.forward())
    again = answers(program)
    assert again[0] == before[0]
    for ours, theirs in zip(again[1], before[1], strict=True):
        for key, gradient in ours.items():
            np.testing.assert_array_equal(gradient, theirs[key])
    assert compilations() == compiled


@pytest.mark.parametrize("execution", Adapter.executions)
def test_residuals_of_an_mlp(programs: dict[str, Any], execution: str) -> None:
    """A rectifier's output is the next layer's input: one array for each of the two. The rest is the loss's.

    Eager keeps log softmax and the count of labels. Compiled keeps logits, and the maximum and the log of the sum of
    each row instead. Parameters and inputs, which both keep too, are not counted.
    """
    batch, width, item = TINY_MLP.batch, TINY_MLP.width, 4
    program = programs[execution]
    rows = {"eager": 0, "compile": 2 * batch}[execution]
    assert program.residual_bytes(program.forward()) == item * (2 * batch * width + batch * width + rows + 1)


@pytest.mark.parametrize("execution", Adapter.executions)
def test_phases_leave_nothing_behind(programs: dict[str, Any], execution: str) -> None:
    program = programs[execution]
    assert not program.inference().requires_grad
    kept = program.forward()
    assert not kept[0].requires_grad, "the loss would hold the autograd graph"
    program.backward(kept)
    assert all(tensor.grad is None for tensor in program._sources.values())
    with pytest.raises(RuntimeError):
        program.backward(kept)


def test_compiled_backward_donates_its_buffers(programs: dict[str, Any]) -> None:
    """So each backward needs its own forward; retain_graph would measure what nobody runs."""
    program = programs["compile"]
    with pytest.raises(RuntimeError, match="donated buffers"):
        torch.autograd.grad(program.forward()[1], program._wanted, retain_graph=True)


def test_fused_gradient_saves_nothing_for_a_second_derivative(programs: dict[str, Any]) -> None:
    program = programs["compile"]
    loss, gradients = program.gradient()
    assert not any(tensor.requires_grad for tensor in (loss, *gradients.values()))
    assert program._inductor["gradient"].executed.keys() == {"forward"}


def test_every_program_is_compiled() -> None:
    """Torch keeps compiled code by code object, and after 8 on one object runs eager."""
    before, _ = compilations()
    for batch in range(1, 13):
        load(MLP(batch=batch, depth=2, width=4), "compile")[0].inference()
    assert compilations()[0] == before + 12


@pytest.mark.parametrize("phase", ["inference", "forward", "gradient"])
def test_later_calls_never_compile(programs: dict[str, Any], phase: str) -> None:
    call = getattr(programs["compile"], phase)
    torch.set_num_threads(2)
    with pytest.raises(FailOnRecompileLimitHit):
        call()
    torch.set_num_threads(1)
    call()


def test_later_calls_check_the_grad_mode(programs: dict[str, Any]) -> None:
    with torch.no_grad(), pytest.raises(FailOnRecompileLimitHit):
        programs["compile"].forward()


@pytest.mark.parametrize("name", ["mlp", "gpt2"])
def test_bf16_keeps_bf16_gradients_and_a_float32_loss(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(adapter, "_fast_bf16", lambda: True)
    program, _ = load(MODELS[name], precision="bf16")
    loss, gradients = program.gradient()
    assert loss.dtype == torch.float32
    assert {g.dtype for g in gradients.values()} == {torch.bfloat16}


def test_unsupported_workloads() -> None:
    with pytest.raises(Unsupported, match="w is used by"):
        load(Clash())
    with pytest.raises(Unsupported, match="jit"):
        load(TINY_MLP, "jit")


def test_a_multiply_that_inductor_writes_elementwise_counts_all_the_same() -> None:
    graph = trace(MLP(batch=1, depth=2, width=4))
    executed = first_calls(load(MLP(batch=1, depth=2, width=4), "compile")[0]).executed()
    wanted = phase_work(graph)
    assert {phase: (found.matmuls, found.flops) for phase, found in executed.items()} == {
        phase: (wanted[phase].matmuls, wanted[phase].flops) for phase in PHASES
    }


def test_an_unknown_multiply_is_not_skipped() -> None:
    with pytest.raises(ValueError, match="_scaled_mm"):
        Tally().add(torch.ops.aten._scaled_mm.default, (), None)
