"""What is measured to know what a machine allows: every op of the catalogue, at sizes that no model has by default."""

from __future__ import annotations

import pytest

from harness.explain.parts import distinct_parts
from harness.explain.probes import Kind, kinds_of
from harness.workload.ops import CATALOGUE
from harness.workload.workload import Workload

NETWORKS = {
    "mlp": {"batch": 256, "depth": 6, "width": 512},
    "resnet18": {"batch": 4, "image": 96, "classes": 1000},
    "gpt2": {"batch": 4, "tokens": 64, "layers": 4, "width": 256, "heads": 4, "vocabulary": 8192, "context": 64},
}


@pytest.mark.parametrize("op", sorted(CATALOGUE))
def test_every_op_can_be_probed_with_every_gradient_that_it_has(op: str) -> None:
    parts = Kind(op).probes("fp32")
    assert len(parts) >= 2
    assert len({part.bytes("forward") for part in parts}) == len(parts), "sizes differ"
    weights = CATALOGUE[op].weights
    assert all("dW" in part.works for part in parts) == bool(weights)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_no_probe_is_a_call_of_a_default_model(name: str) -> None:
    workload = Workload.of(name, NETWORKS[name])
    calls = {(part.op, part.shape) for part in distinct_parts(workload)}
    probes = {(part.op, part.shape) for kind in kinds_of(workload) for part in kind.probes("fp32")}
    assert not calls & probes


def test_a_kind_has_the_attributes_of_its_calls_and_leaves_them_out_where_they_do_not_fit() -> None:
    (pool,) = distinct_parts(Workload.of("op", {"op": "max_pool", "attrs": {"stride": 2, "padding": 1}}))
    kind = Kind.of(pool)
    assert str(kind) == "max_pool padding=1 size=3 stride=2"
    assert all("stride=2 padding=1" in part.shape for part in kind.probes("fp32"))
    odd = Kind("attention", (("heads", 7),))
    assert [part.shape for part in odd.probes("fp32")] == [part.shape for part in Kind("attention").probes("fp32")]
