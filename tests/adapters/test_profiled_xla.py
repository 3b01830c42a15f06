"""What XLA's profiler says of each op of a compiled program in place, by the scopes of its calls."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("jax")

from adapters.base import Unsupported
from adapters.choices import Choices
from adapters.common.hlo_profile import events_of
from adapters.common.scopes import scope, times_of
from adapters.jax import Adapter
from adapters.profiled import Profiled
from harness.workload.models import MLP
from harness.workload.trace import trace
from tests.helpers.tiny import TINY_GPT2, sample

NETWORK = MLP(batch=24, depth=3, width=8)
HLO = """HloModule jit_backward, is_scheduled=true

ENTRY %main (a: f32[4,8]) -> f32[8,8] {
  %a = f32[4,8]{1,0} parameter(0)
  %dot.1 = f32[8,8]{1,0} dot(%a, %a), metadata={op_name="jit(backward)/transpose(jvp(call2.op))/dot"}
  %while.2 = f32[8,8]{1,0} while(%dot.1), metadata={op_name="jit(backward)/call2.op/while"}
  ROOT %copy = f32[8,8]{1,0} copy(%while.2)
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
def test_what_a_checkpoint_computes_again_is_told_apart() -> None:
    graph, (times,) = trace(TINY_GPT2), loaded(TINY_GPT2, residuals="blocks").profiled(1)
    again = {graph.calls[number].op for number, directions in times.items() if directions.get("again")}
    assert "linear" in again
    assert not any("again" in times for times in loaded(NETWORK).profiled(1)[0].values())


@pytest.mark.xdist_group("jax-jit")
def test_a_backward_pass_by_hand_shows_nothing() -> None:
    with pytest.raises(Unsupported, match="with autodiff=by_hand"):
        loaded(NETWORK, autodiff="by_hand").profiled(1)


def test_instructions_have_the_scopes_of_their_source_and_loops_are_not_counted_twice() -> None:
    events = events_of(HLO, [("dot.1", 0.5), ("while.2", 9.0), ("copy", 0.25), ("unknown", 1.0)])
    assert events == [("jit(backward)/transpose(jvp(call2.op))/dot", (8, 8), 0.5), ("", (8, 8), 0.25)]


def test_work_in_the_other_pass_than_its_own_is_told_apart_and_sides_by_shape() -> None:
    graph = trace(NETWORK)
    name = scope(2)
    forward = [(f"jit(f)/jvp({name})/dot", (24, 8), 1.0), (f"jit(f)/transpose(jvp({name}))/dot", (8, 8), 2.0)]
    backward = [
        (f"jit(b)/transpose(jvp({name}))/dot", (24, 8), 4.0),
        (f"gradient_tape/{name}/MatMul_1", (8, 8), 12.0),
        (f"gradient_tape/{name}/BiasAddGrad", (8,), 8.0),
        (f"transpose(jvp(f))/checkpoint/rematted_computation/{name}/dot", (24, 8), 16.0),
        (f"{name}/MatMul", (24, 8), 16.0),
        ("AddN", (24, 8), 64.0),
    ]
    assert times_of(graph, {"forward": forward, "backward": backward}) == {
        2: {"forward": 1.0, "ahead": 2.0, "backward": 24.0, "again": 32.0, "dx": 4.0, "dw": 20.0}
    }
