"""What torch's profiler and oneDNN's log say of each op in place: every call, forward and backward, and no other."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.profiler import ProfilerActivity, profile  # noqa: E402

from adapters.choices import Choices  # noqa: E402
from adapters.common.onednn_log import convolution_gradients, stdout_of  # noqa: E402
from adapters.common.sides import wanted_sides  # noqa: E402
from adapters.profiled import Profiled, Times  # noqa: E402
from adapters.torch import Adapter, ops  # noqa: E402
from adapters.torch.autograd_nodes import NODE  # noqa: E402
from adapters.torch.profiled import _PRODUCTS  # noqa: E402
from harness.workload.models import MLP, ResNet18  # noqa: E402
from harness.workload.trace import Graph, trace  # noqa: E402
from tests.helpers.in_place import last_linear, slow_in_every_run  # noqa: E402
from tests.helpers.tiny import TINY_GPT2, TINY_MLP, sample  # noqa: E402

SLEEP_S = 0.3
SLOW_CLASSES = 9

LAYOUTS = (
    "src:f32:a:blocked:aBcd16b::f0 wei:f32:a:blocked:{weights}::f0 bia:undef::undef::: dst:f32:a:blocked:aBcd16b::f0"
)


def line(kind: str, direction: str, arrays: str, milliseconds: int) -> str:
    return f"onednn_verbose,v1,primitive,exec,cpu,{kind},jit,{direction},{arrays},,,mb32,{milliseconds}"


def reorder(source: str, destination: str, milliseconds: int) -> str:
    arrays = f"src:f32::blocked:{source}::f0 dst:f32::blocked:{destination}::f0"
    return line("reorder", "undef", arrays, milliseconds)


LOG = [
    "onednn_verbose,v1,info,cpu,runtime:OpenMP,nthr:2",
    reorder("abcd", "aBcd16b", 1),
    line("convolution", "backward_data", LAYOUTS.format(weights="ABcd16a16b"), 20),
    reorder("aBcd16b", "abcd", 300),
    reorder("abcd", "aBcd16b", 2),
    line("convolution", "backward_weights", LAYOUTS.format(weights="ABcd16b16a"), 40),
    reorder("ABcd16b16a", "abcd", 500),
    line("convolution", "forward_training", LAYOUTS.format(weights="ABcd16b16a"), 7000),
]


def shown(model: Any, passes: int = 1, gradients: str = "params", **choices: Any) -> tuple[Graph, list[Times]]:
    graph = trace(model, gradients)
    program: Any = Adapter("cpu", 1, "fp32").load(graph, sample(graph), "eager", Choices(**choices))
    program.backward(program.forward())
    assert isinstance(program, Profiled)
    return graph, program.profiled(passes)


@pytest.mark.parametrize("model", [TINY_MLP, TINY_GPT2, ResNet18(batch=2, image=32, classes=10)])
def test_every_call_shows_its_forward_pass_and_its_gradients(model: Any) -> None:
    graph, (times,) = shown(model)
    for number, call in enumerate(graph.calls):
        assert times[number]["forward"] > 0
        if wanted_sides(graph, call):
            assert times[number]["backward"] > 0, call.op
        assert "again" not in times[number]


@pytest.mark.parametrize("model", [TINY_MLP, ResNet18(batch=2, image=32, classes=10)])
def test_dx_and_dw_of_multiplies_are_told_apart_and_add_up(model: Any) -> None:
    graph, (times,) = shown(model)
    multiplying = [number for number, call in enumerate(graph.calls) if call.op in ("linear", "conv2d")]
    for number in multiplying:
        both = wanted_sides(graph, graph.calls[number]) == {"dx", "dw"}
        assert ({"dx", "dw"} <= times[number].keys()) == both == (number != multiplying[0])
        if both:
            assert times[number]["dx"] + times[number]["dw"] == pytest.approx(times[number]["backward"])


class SlowDw(torch.autograd.Function):  # type: ignore[name-defined]
    @staticmethod
    def forward(context: Any, x: Any, w: Any) -> Any:
        context.save_for_backward(x, w)
        return x @ w.t()

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        x, w = context.saved_tensors
        if w.shape[0] == SLOW_CLASSES:
            time.sleep(SLEEP_S)
        return gradients[0] @ w, gradients[0].t() @ x


def test_a_planted_sleep_in_one_dw_is_found_at_its_call_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "linear", lambda x, w, b: SlowDw.apply(x, w) + b)
    graph, runs = shown(MLP(batch=4, depth=3, width=8, classes=SLOW_CLASSES), 3)
    assert slow_in_every_run(graph, runs, SLEEP_S) == {(last_linear(graph), "backward")}


def test_what_a_checkpoint_computes_again_is_told_apart_from_gradients() -> None:
    graph, (times,) = shown(TINY_GPT2, residuals="blocks")
    again = {number for number, directions in times.items() if directions.get("again")}
    assert again
    assert all(graph.calls[number].block for number in again)
    assert all(times[number]["backward"] > 0 for number in again if wanted_sides(graph, graph.calls[number]))


def test_the_program_runs_unmarked_ops_afterwards() -> None:
    graph = trace(TINY_MLP)
    program: Any = Adapter("cpu", 1, "fp32").load(graph, sample(graph), "eager")
    before = program._loss
    program.profiled(1)
    assert program._loss is before


@pytest.mark.parametrize(("bias", "name"), [(True, "AddmmBackward0"), (False, "MmBackward0")])
def test_torch_multiplies_for_dx_and_dw_in_the_order_that_is_known(bias: bool, name: str) -> None:
    x, w = torch.randn(5, 3, requires_grad=True), torch.randn(7, 3, requires_grad=True)
    y = torch.nn.functional.linear(x, w, torch.zeros(7) if bias else None).sum()
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
        torch.autograd.grad(y, [x, w])
    firsts = [tuple(event.input_shapes[0]) for event in profiler.events() if event.name == "aten::mm"]
    side = {(5, 7): "dx", (7, 5): "dw"}
    assert tuple(side[shape] for shape in firsts) == _PRODUCTS[f"{NODE}{name}"]


def test_changes_of_layout_count_with_the_convolution_that_they_are_for() -> None:
    seconds = convolution_gradients("\n".join(LOG))
    assert seconds == {"dx": [pytest.approx(0.321)], "dw": [pytest.approx(0.542)]}


def test_what_c_prints_is_caught_and_kept_from_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    assert stdout_of(lambda: ctypes.CDLL(None).puts(b"from C")) == "from C\n"
    assert not capfd.readouterr().out
