"""What XLA's profiler says of each op of a compiled program in place, by the scopes of its calls."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("jax")

from adapters.base import Unsupported
from adapters.choices import Choices
from adapters.common.hlo_owners import events_of
from adapters.common.scopes import number_in, scope, times_of
from adapters.common.sides import wanted_sides
from adapters.jax import Adapter
from adapters.profiled import Profiled
from harness.workload.models import MLP, ResNet18
from harness.workload.trace import trace
from tests.helpers.tiny import TINY_GPT2, sample

NETWORK = MLP(batch=24, depth=3, width=8)
HLO = """HloModule jit_backward, is_scheduled=true

%fused (p: f32[4,8]) -> f32[8,4] {
  %p = f32[4,8]{1,0} parameter(0)
  %zero = f32[8,4]{1,0} broadcast(%p), metadata={op_name="jit(b)/call9.op/zeros"}
  ROOT %turned = f32[8,4]{1,0} transpose(%p)
}

ENTRY %main (a: f32[4,8]) -> f32[8,8] {
  %a = f32[4,8]{1,0} parameter(0), metadata={op_name="jit(b)/call9.op/given"}
  %turn = f32[8,4]{1,0} fusion(%a), kind=kLoop, calls=%fused
  %convolution.1 = f32[8,8]{1,0} convolution(%turn, %a)
  %cast = f32[64]{0} bitcast(%convolution.1), metadata={op_name="jit(b)/transpose(jvp(call1.op))/dot"}
  %while.2 = f32[64]{0} while(%cast), metadata={op_name="jit(b)/call0.op/while"}
  %sum = f32[64]{0} add(%cast, %cast), metadata={op_name="AddN_1"}
  %relu = f32[64]{0} maximum(%sum, %sum), metadata={op_name="jit(b)/call2.op/max"}
  ROOT %copy = f32[8,8]{1,0} copy(%cast), metadata={op_name="XLA_Retvals"}
}
"""


def loaded(model: Any, **choices: Any) -> Any:
    graph = trace(model)
    program: Any = Adapter("cpu", 1, "fp32").load(graph, sample(graph), "jit", Choices(**choices))
    assert isinstance(program, Profiled)
    return program


@pytest.mark.xdist_group("jax-jit")
def test_every_multiply_shows_its_forward_pass_and_both_gradients_in_every_pass() -> None:
    graph, runs = trace(NETWORK), loaded(NETWORK).profiled(2)
    assert len(runs) == 2
    first, *others = (number for number, call in enumerate(graph.calls) if call.op == "linear")
    for times in runs:
        assert {"forward", "backward"} <= times[first].keys()
        for number in others:
            assert times[number]["dx"] + times[number]["dw"] == pytest.approx(times[number]["backward"])


@pytest.mark.xdist_group("jax-jit")
def test_every_convolution_shows_both_gradients_although_xla_drops_the_name_of_one() -> None:
    model = ResNet18(batch=2, image=32, classes=10)
    graph, (times,) = trace(model), loaded(model).profiled(1)
    for number, call in enumerate(graph.calls):
        if call.op == "conv2d":
            assert times[number]["forward"] > 0 < times[number]["backward"]
            assert wanted_sides(graph, call) != {"dx", "dw"} or {"dx", "dw"} <= times[number].keys()


@pytest.mark.xdist_group("jax-jit")
def test_what_a_checkpoint_computes_again_is_told_apart() -> None:
    graph, (times,) = trace(TINY_GPT2), loaded(TINY_GPT2, residuals="blocks").profiled(1)
    again = {graph.calls[number].op for number, directions in times.items() if directions.get("again")}
    assert "linear" in again
    assert not any("again" in times for times in loaded(NETWORK).profiled(1)[0].values())


@pytest.mark.xdist_group("jax-jit")
def test_a_backward_pass_by_hand_shows_nothing() -> None:
    with pytest.raises(Unsupported, match="with autodiff=by_hand"):
        loaded(NETWORK, autodiff="by_hand").profiled(1)


def test_what_has_lost_its_name_has_that_and_the_shape_of_what_it_is_computed_for_or_from() -> None:
    ran = [("turn", 1.0), ("convolution.1", 2.0), ("copy", 4.0), ("relu", 8.0), ("sum", 16.0)]
    dot = ("jit(b)/transpose(jvp(call1.op))/dot", (64,))
    assert events_of(HLO, ran, number_in) == [
        *((*dot, seconds) for seconds in (1.0, 2.0, 4.0)),
        ("jit(b)/call2.op/max", (64,), 8.0),
        ("", (64,), 16.0),
    ]


def test_loops_are_not_counted_twice_and_instructions_of_other_programs_not_at_all() -> None:
    assert events_of(HLO, [("while.2", 9.0), ("unknown", 1.0)], number_in) == []


def test_work_in_the_other_pass_than_its_own_is_told_apart_and_sides_by_name_or_shape() -> None:
    graph = trace(NETWORK)
    name = scope(2)
    forward = [(f"jit(f)/jvp({name})/dot", (24, 8), 1.0), (f"jit(f)/transpose(jvp({name}))/dot", (8, 8), 2.0)]
    backward = [
        (f"jit(b)/transpose(jvp({name}))/dot", (24, 8), 4.0),
        (f"gradient_tape/{name}/MatMul_1", (8, 8), 12.0),
        (f"gradient_tape/{name}/BiasAddGrad", (8,), 8.0),
        (f"gradient_tape/{name}/Conv2DBackpropInput", (8, 8), 1.0),
        (f"transpose(jvp(f))/checkpoint/rematted_computation/{name}/dot", (24, 8), 16.0),
        (f"{name}/MatMul", (24, 8), 16.0),
        ("AddN", (24, 8), 64.0),
    ]
    assert times_of(graph, {"forward": forward, "backward": backward}) == {
        2: {"forward": 1.0, "ahead": 2.0, "backward": 25.0, "again": 32.0, "dx": 5.0, "dw": 20.0}
    }
