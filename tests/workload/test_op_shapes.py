"""Shape rules of the catalogue: what fits, and the sentence for what does not."""

from __future__ import annotations

from typing import Any

import pytest

from harness.workload import primitives
from harness.workload.ops import CATALOGUE, Spec, WorkloadError
from tests.helpers.op_cases import CASES, TIES, Case


def spec(*shape: int) -> Spec:
    return Spec(shape)


def ids(*shape: int) -> Spec:
    return Spec(shape, "int")


@pytest.mark.parametrize("case", CASES + TIES, ids=str)
def test_shape_rule_is_the_shape_that_the_maths_gives(case: Case) -> None:
    output, _ = CATALOGUE[case.op].forward(primitives, *case.arrays(), **case.attrs)
    parts = output if isinstance(output, tuple) else (output,)
    assert [part.shape for part in parts] == [spec.shape for spec in case.outputs]


def mask(*shape: int) -> Spec:
    return Spec(shape, "bool")


def table(*shape: int) -> Spec:
    return Spec(shape, "constant")


X = spec(2, 6, 5, 4)
REFUSED: tuple[tuple[str, tuple[Spec, ...], dict[str, Any], str], ...] = (
    ("linear", (spec(3, 4), spec(5, 2)), {}, "(5, 2)"),
    ("linear", (spec(3, 4), spec(4, 2, 1)), {}, "(4, 2, 1)"),
    ("linear", (spec(3, 4), spec(4, 2), spec(4)), {}, "bias"),
    ("tied_linear", (spec(3, 4), spec(7, 5)), {}, "(7, 5)"),
    ("conv2d", (spec(6, 5, 4), spec(3, 3, 4, 3)), {}, "(6, 5, 4)"),
    ("conv2d", (X, spec(3, 4, 3)), {}, "(3, 4, 3)"),
    ("conv2d", (X, spec(3, 3, 3, 3)), {}, "(3, 3, 3, 3)"),
    ("conv2d", (X, spec(3, 3, 4, 3)), {"groups": 2}, "(3, 3, 4, 3)"),
    ("conv2d", (X, spec(3, 3, 2, 3)), {"groups": 2}, "2 groups"),
    ("conv2d", (X, spec(3, 3, 4, 3), spec(4)), {}, "bias"),
    ("conv2d", (X, spec(3, 3, 4, 3)), {"stride": 0}, "got 0"),
    ("conv2d", (X, spec(7, 3, 4, 3)), {}, "window of 7"),
    ("conv2d", (X, spec(3, 7, 4, 3)), {}, "image of 5"),
    ("batch_norm", (X, spec(5), spec(5)), {"eps": 1e-5}, "(4,)"),
    ("batch_norm", (X, spec(4), spec(5)), {"eps": 1e-5}, "(4,)"),
    ("layer_norm", (spec(3, 6), spec(3), spec(3)), {"eps": 1e-5}, "(6,)"),
    ("attention", (spec(2, 5, 6),) * 3, {"heads": 4, "causal": True}, "4 heads"),
    ("attention", (spec(2, 5, 6), spec(2, 4, 6), spec(2, 5, 6)), {"heads": 2, "causal": True}, "(2, 4, 6)"),
    ("attention", (spec(5, 6),) * 3, {"heads": 2, "causal": True}, "(5, 6)"),
    ("add", (spec(3, 4), spec(2, 3, 4)), {}, "(2, 3, 4)"),
    ("add", (spec(3, 4), spec(3)), {}, "(3,)"),
    ("add", (spec(3, 4), spec(1, 4)), {}, "(1, 4)"),
    ("max_pool", (spec(6, 5, 4),), {"size": 2, "stride": 2}, "(6, 5, 4)"),
    ("max_pool", (X,), {"size": 2, "stride": 0}, "got 0"),
    ("max_pool", (X,), {"size": 3, "stride": 2, "padding": 2}, "padding 2"),
    ("max_pool", (X,), {"size": 8, "stride": 1}, "window of 8"),
    ("global_avg_pool", (spec(3, 4),), {}, "(3, 4)"),
    ("embedding", (spec(6, 4), spec(5)), {}, "integers"),
    ("embedding", (spec(6, 4, 2), ids(5)), {}, "(6, 4, 2)"),
    ("split", (spec(3, 6),), {"parts": 4}, "4 parts"),
    ("split", (spec(3, 6),), {"parts": 0}, "0 parts"),
    ("split", (spec(3, 6),), {"parts": 1}, "1 parts"),
    ("cross_entropy", (spec(3, 5), spec(3)), {}, "integers"),
    ("cross_entropy", (spec(3, 5), ids(5)), {}, "(5,)"),
    ("attention", (spec(2, 5, 8),) * 3, {"heads": 4, "kv_heads": 3, "causal": True}, "3 kv_heads"),
    ("attention", (spec(2, 5, 8),) * 3, {"heads": 4, "kv_heads": 2, "causal": True}, "(2, 5, 8)"),
    ("attention", (*(spec(2, 5, 8),) * 3, mask(2, 5)), {"heads": 4, "causal": True}, "causal"),
    ("attention", (*(spec(2, 5, 8),) * 3, mask(2, 4)), {"heads": 4, "causal": False}, "(2, 4)"),
    ("attention", (*(spec(2, 5, 8),) * 3, spec(2, 5, 5)), {"heads": 4, "causal": False}, "(2, 5, 5)"),
    ("rms_norm", (spec(3, 6), spec(3)), {"eps": 1e-5}, "(3,)"),
    ("multiply", (spec(3, 4), spec(2, 3, 4)), {}, "(2, 3, 4)"),
    ("dropout", (spec(3, 4), mask(3, 4)), {"rate": 1.0}, "got 1.0"),
    ("dropout", (spec(3, 4), mask(3, 4)), {"rate": -0.1}, "got -0.1"),
    ("dropout", (spec(3, 4), spec(3, 4)), {"rate": 0.1}, "truth values"),
    ("dropout", (spec(3, 4), mask(4)), {"rate": 0.1}, "(4,)"),
    ("rotary", (spec(5, 8), table(5, 2), table(5, 2)), {"heads": 2}, "(5, 8)"),
    ("rotary", (spec(2, 5, 6), table(5, 2), table(5, 2)), {"heads": 2}, "2 heads"),
    ("rotary", (spec(2, 5, 8), table(5, 2), table(5, 4)), {"heads": 2}, "(5, 4)"),
    ("rotary", (spec(2, 5, 8), spec(5, 2), table(5, 2)), {"heads": 2}, "constants"),
    ("image_tokens", (spec(3, 4, 5),), {}, "(3, 4, 5)"),
    ("transpose_tokens", (spec(3, 4),), {}, "(3, 4)"),
    ("mean_tokens", (spec(3, 4),), {}, "(3, 4)"),
    ("unstack_tokens", (spec(3, 4),), {}, "(3, 4)"),
    ("unstack_tokens", (spec(3, 1, 4),), {}, "got 1"),
    ("stack_tokens", (spec(3, 4, 5),), {}, "(3, 4, 5)"),
    ("stack_tokens", (spec(3, 4), spec(3, 5)), {}, "(3, 5)"),
    ("class_token", (spec(2, 3, 4), spec(3)), {}, "(3,)"),
    ("first_token", (spec(3, 4),), {}, "(3, 4)"),
    ("lstm", (spec(2, 3), *(spec(2, 4),) * 2, spec(3, 16), spec(4, 16), spec(16)), {}, "(2, 3)"),
    ("lstm_cell", (spec(2, 3), spec(2, 4), spec(2, 5), spec(3, 16), spec(4, 16), spec(16)), {}, "(2, 5)"),
    ("lstm_cell", (spec(2, 3), *(spec(2, 4),) * 2, spec(3, 12), spec(4, 16), spec(16)), {}, "(3, 12)"),
    ("gru_cell", (spec(2, 3), spec(2, 4), spec(3, 12), spec(3, 12), spec(12), spec(12)), {}, "u must be (4, 12)"),
    ("gru", (spec(2, 5, 3), spec(2, 4), spec(3, 12), spec(4, 12), spec(12), spec(4)), {}, "(4,)"),
    ("dot_interaction", (spec(3, 4),), {}, "got 1"),
    ("dot_interaction", (spec(3, 4, 5), spec(3, 4, 5)), {}, "(3, 4, 5)"),
    ("dot_interaction", (spec(3, 4), spec(3, 5)), {}, "(3, 5)"),
    ("conv_transpose2d", (X, spec(2, 2, 4, 3)), {"stride": 2}, "(2, 2, 4, 3)"),
    ("conv_transpose2d", (X, spec(2, 2, 3)), {"stride": 2}, "(2, 2, 3)"),
    ("conv_transpose2d", (X, spec(2, 2, 3, 4), spec(4)), {"stride": 2}, "bias"),
    ("conv_transpose2d", (X, spec(2, 2, 3, 4)), {"stride": 0}, "got 0"),
    ("conv_transpose2d", (spec(6, 5, 4), spec(2, 2, 3, 4)), {"stride": 2}, "(6, 5, 4)"),
    ("group_norm", (X, spec(4), spec(4)), {"groups": 3, "eps": 1e-5}, "3 groups"),
    ("group_norm", (spec(3, 4), spec(4), spec(4)), {"groups": 2, "eps": 1e-5}, "(3, 4)"),
    ("group_norm", (X, spec(5), spec(5)), {"groups": 2, "eps": 1e-5}, "(4,)"),
    ("leaky_relu", (X,), {"slope": 1}, "got 1"),
    ("avg_pool", (X,), {"size": 6, "stride": 1}, "window of 6"),
    ("avg_pool", (spec(3, 4),), {"size": 1, "stride": 1}, "(3, 4)"),
    ("upsample", (X,), {"factor": 0}, "got 0"),
    ("upsample", (spec(3, 4),), {"factor": 2}, "(3, 4)"),
    ("concatenate", (X, spec(2, 6, 4, 4)), {"axis": 3}, "(2, 6, 4, 4)"),
    ("concatenate", (X, spec(2, 6, 5)), {"axis": 3}, "(2, 6, 5)"),
    ("concatenate", (X, X), {"axis": 4}, "axis 4"),
    ("flatten", (spec(3, 4),), {}, "(3, 4)"),
    ("mse", (spec(3, 5), spec(3)), {}, "(3,)"),
    ("multiply", (spec(3, 4), spec(3)), {}, "(3,)"),
    ("mse", (spec(3), ids(3)), {}, "floats"),
)


@pytest.mark.parametrize(("op", "inputs", "attrs", "said"), REFUSED)
def test_what_does_not_fit_is_refused_by_op_and_value(
    op: str, inputs: tuple[Any, ...], attrs: dict[str, Any], said: str
) -> None:
    with pytest.raises(WorkloadError) as refusal:
        CATALOGUE[op].shape(*inputs, **attrs)
    assert str(refusal.value).startswith(f"{op}: ")
    assert said in str(refusal.value)
