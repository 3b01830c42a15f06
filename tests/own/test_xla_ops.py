"""What is told of the ops of a user's own model in jax and TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.common.own_ops import OwnOp, op_times
from adapters.profiled import OwnProfiled
from harness.measure.own_in_place import own_in_place
from tests.helpers.own import session, written

CALLS = [OwnOp("dot", "2x2", ("net", "layer_0"), "m.py:3"), OwnOp("dot", "2x2", ("net", "layer_1")), OwnOp("relu", "2")]


def test_calls_with_the_same_shapes_are_one_row_and_each_pass_has_its_own_times() -> None:
    both, relu, none = op_times(
        CALLS, {"forward": [(0, 1.0), (1, 2.0)], "backward": [(1, 4.0), (2, 8.0), (None, 16.0)]}
    )
    assert (both.op, both.count, both.forward_s, both.backward_s) == ("dot", 2, 3.0, 4.0)
    assert both.called_by == ("layer_# (m.py:3)", "layer_#")
    assert (relu.op, relu.count, relu.forward_s, relu.backward_s) == ("relu", 1, 0.0, 8.0)
    assert (none.op, none.count, none.forward_s, none.backward_s) == ("", 1, 0.0, 16.0)


@pytest.mark.parametrize(
    ("framework", "execution", "library", "multiply", "caller"),
    [
        ("jax", "jit", "jax", "dot_general", "planted_jax.py"),
        ("tensorflow", "eager", "keras", "MatMul", "first"),
        ("tensorflow", "graph", "keras", "MatMul", "first"),
        ("tensorflow", "xla", "keras", "MatMul", "first"),
    ],
)
def test_the_multiplies_of_a_model_show_both_passes_and_who_calls_them(
    tmp_path: Path, framework: str, execution: str, library: str, multiply: str, caller: str
) -> None:
    pytest.importorskip(framework)
    written(tmp_path, {library: f"planted_{library}:honest"})
    session(framework, "fp64").reference(str(tmp_path), draw=True)
    worker = session(framework)
    worker.load(str(tmp_path), execution)
    program: Any = worker.program
    assert isinstance(worker.program, OwnProfiled)
    told = own_in_place(program, framework, execution, 2)
    (ours,) = (op for op in told.ops if op["op"] == multiply)
    assert (ours["count"], ours["shape"]) == (2, "4x8 8x8")
    assert ours["forward_s"] > 0 < ours["backward_s"]
    assert ours["called_by"][0].startswith(caller)
