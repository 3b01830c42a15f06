"""What is frozen gets no gradient, and what that saves in a network of equal layers, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.workload import draw
from harness.workload.cost import cost
from harness.workload.ops import CATALOGUE, WorkloadError
from harness.workload.oracle import reference
from harness.workload.trace import trace
from harness.workload.workload import Workload

DEPTH = 5
SIZES = {"batch": 4, "depth": DEPTH, "width": 8}
ONE = 2 * 4 * 8 * 8  # FLOPs of any of its multiplies


def of(frozen: str, **rest: Any) -> Workload:
    return Workload.of("mlp", SIZES, frozen=frozen, **rest)


@pytest.mark.parametrize(
    ("frozen", "dx", "dw"),
    [
        ("", DEPTH - 1, DEPTH),
        *((f"first:{k}", DEPTH - 1 - k, DEPTH - k) for k in range(1, DEPTH)),
        *((f"last:{k}", DEPTH - 1, DEPTH - k) for k in range(1, DEPTH)),
        ("[wb][12]", DEPTH - 3, DEPTH - 2),
        ("w2|b2", DEPTH - 1, DEPTH - 1),
        ("w1", DEPTH - 1, DEPTH - 1),  # its bias is trained
        ("w.", DEPTH - 1, 0),
        ("b.", DEPTH - 1, DEPTH),
    ],
)
def test_first_layers_save_dx_too_and_last_ones_do_not(frozen: str, dx: int, dw: int) -> None:
    table = cost(of(frozen).graph)
    assert (table.forward.matmuls, table.dx.matmuls, table.dw.matmuls) == (DEPTH, dx, dw)
    assert (table.dx.flops, table.dw.flops) == (dx * ONE, dw * ONE)


def test_inputs_that_need_a_gradient_bring_back_the_dx_of_frozen_first_layers() -> None:
    table = cost(of("first:2", gradients="both").graph)
    assert (table.dx.matmuls, table.dw.matmuls) == (DEPTH, DEPTH - 2)


def test_the_oracle_computes_no_gradient_of_what_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, part = of(""), of("first:2")
    arrays = whole.sample()
    for name, array in part.sample().items():
        np.testing.assert_array_equal(array, arrays[name])
    wanted = reference(whole.graph, arrays)
    asked: list[list[bool]] = []
    rule = CATALOGUE["linear"].backward

    def noted(xp: Any, grad: Any, local: Any, inputs: Any, wants: Any) -> Any:
        asked.append(list(wants))
        return rule(xp, grad, local, inputs, wants)

    monkeypatch.setattr(CATALOGUE["linear"], "backward", noted)
    found = reference(part.graph, arrays)
    assert found.loss == wanted.loss
    assert found.gradients.keys() == {f"{kind}{i}" for kind in "wb" for i in (3, 4, 5)}
    for name, gradient in found.gradients.items():
        np.testing.assert_array_equal(gradient, wanted.gradients[name])
    assert asked[:3] == [[True, True, True], [True, True, True], [False, True, True]]


@pytest.mark.parametrize(
    ("model", "frozen", "inside", "outside"),
    [
        ("gpt2", "first:1", {"token_table", "position_table", "block1.qkv.w"}, {"block2.qkv.w", "final.scale"}),
        (
            "gpt2",
            "last:1",
            {"block2.qkv.w", "final.scale"},
            {"block1.qkv.w", "token_table"},
        ),  # the head's table is tied
        ("lstm", "first:2", {"table", "layer1.u"}, {"layer2.u", "head.w"}),
        ("resnet18", "last:1", {"stage4.block2.a.conv", "head.w"}, {"stage4.block1.a.conv"}),
    ],
)
def test_a_layer_is_a_block_or_where_there_are_none_a_call_with_parameters(
    model: str, frozen: str, inside: set[str], outside: set[str]
) -> None:
    graph = Workload.of(model, {"layers": 2} if model != "resnet18" else {"image": 64}, frozen=frozen).graph
    assert graph.frozen >= inside
    assert not graph.frozen & outside


@pytest.mark.parametrize(
    ("frozen", "says"),
    [
        ("stage.*", r"no parameter has such a name; there are w1, b1, w2, b2 and 6 others"),
        ("w", "no parameter has such a name"),
        (".*", "leaves no parameter that is trained; freeze fewer, or choose gradients=inputs"),
        (f"first:{DEPTH}", "leaves no parameter"),
        (f"last:{DEPTH + 1}", f"must be last: and a whole number from 1 to {DEPTH}, the model's layers"),
        ("first:0", "must be first:"),
        ("last:two", "must be last:"),
        ("w[", r"is no regular expression \(unterminated character set at position 1\)"),
        ("w{99999999999}", "is no regular expression"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_in_a_sentence(frozen: str, says: str) -> None:
    with pytest.raises(WorkloadError, match=says) as refused:
        of(frozen)
    assert str(refused.value).startswith(f"frozen={frozen}: ") and "\n" not in str(refused.value)


def test_with_gradients_of_inputs_alone_nothing_is_left_to_freeze() -> None:
    with pytest.raises(WorkloadError, match="every parameter is frozen; choose gradients=both"):
        of("w1", gradients="inputs")


def test_a_model_may_freeze_by_itself_but_not_everything() -> None:
    class Half:
        def batch_arrays(self) -> Any:
            return {"x": draw.normal(3, 4), "labels": draw.integers(3, high=4)}

        def loss(self, ops: Any, param: Any, x: Any, labels: Any) -> Any:
            h = ops.linear(x, param("first", draw.normal(4, 4), frozen=True))
            return ops.cross_entropy(ops.linear(h, param("second", draw.normal(4, 4), frozen=self.whole)), labels)

        whole = False

    class Whole(Half):
        whole = True

    assert set(trace(Half()).sources) == {"second"}
    with pytest.raises(WorkloadError, match="Whole: it has no parameter that is trained"):
        trace(Whole())


def test_it_is_a_part_of_what_a_workload_is_and_of_nothing_where_nothing_is_frozen() -> None:
    assert "frozen" not in of("").as_dict()
    assert len({of(frozen).id for frozen in ("", "first:1", "w1|b1")}) == 3
    assert len({of(frozen).digest for frozen in ("", "first:1", "first:2")}) == 3
    assert Workload.from_dict(of("first:1").as_dict()) == of("first:1")
