"""Every op of the catalogue as a workload of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.workload.cost import cost
from harness.workload.models import build
from harness.workload.ops import CATALOGUE, WorkloadError
from harness.workload.trace import trace

SMALL = {"batch": 3, "tokens": 4, "width": 8, "heads": 2, "image": 8, "channels": 4, "groups": 2, "entries": 9}


def single(op: str, gradients: Any = "params", **sizes: Any) -> Any:
    return trace(build("op", SMALL | {"op": op} | sizes), gradients)


@pytest.mark.parametrize("op", CATALOGUE)
def test_the_op_is_all_there_is(op: str) -> None:
    graph = single(op)
    assert [call.op for call in graph.calls] == [op]
    assert graph.calls[0].outputs == graph.outputs
    assert bool(graph.cotangents) == (graph.specs[graph.outputs[0]].shape != ())


def test_what_an_op_is_given_is_data_and_its_weights_are_parameters() -> None:
    assert set(single("conv2d").sources) == {"w", "b"}
    assert set(single("conv2d", gradients="both").sources) == {"x", "w", "b"}
    assert set(single("relu").sources) == {"x0"}
    assert set(single("embedding").sources) == {"table"}


def test_dx_and_dw_are_priced_apart() -> None:
    table = cost(single("linear", gradients="both"))
    assert table.forward.flops == table.dx.flops == table.dw.flops == 2 * 3 * 4 * 8 * 8


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"op": "convolve"}, "model.op='convolve'"),
        ({"op": "conv2d", "groups": 3}, "conv2d: "),
        ({"op": "attention", "heads": 3}, "attention: 3 heads"),
        ({"op": "rotary", "heads": 8}, "rotary: 8 heads"),
        ({"op": "max_pool", "kernel": 9}, "max_pool: a window of 9"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_by_op_and_value(
    sizes: dict[str, int | str] | dict[str, str], said: str
) -> None:
    with pytest.raises(WorkloadError) as refusal:
        single(**sizes)
    assert said in str(refusal.value)


def test_an_op_without_multiplies_has_no_ratio_of_flops() -> None:
    assert np.isnan(cost(single("relu")).flops_ratio)
