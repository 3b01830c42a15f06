"""What torch's profiler tells of the ops of a user's own model, and what an explanation makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from adapters.base import Unsupported  # noqa: E402
from adapters.profiled import OpTimes, OwnProfiled  # noqa: E402
from adapters.torch.own import Own  # noqa: E402
from adapters.torch.own_profiled import profiled_ops  # noqa: E402
from harness.explain.own import explanation  # noqa: E402
from harness.measure.own_in_place import own_in_place  # noqa: E402
from harness.measure.protocol import OwnInPlace  # noqa: E402
from tests.helpers.own import session, written  # noqa: E402
from tests.helpers.sweeps import Sweep  # noqa: E402
from tests.own.planted_torch import SLOW_S, SlowBackward, scaled  # noqa: E402

SLOW_PASS = {"forward": 1.0, "backward": 1e3 * SLOW_S}  # milliseconds of the timed passes


def program(folder: Path, planted: str, precision: str = "fp32", **arguments: Any) -> Any:
    """A planted model, loaded for torch eager."""
    written(folder, {"torch": f"planted_torch:{planted}"}, precision=precision, **arguments)
    session("torch", "fp64").reference(str(folder), draw=True)
    worker = session("torch", precision)
    worker.load(str(folder), "eager")
    return worker.program


def shown(folder: Path, planted: str, passes: int = 1, **arguments: Any) -> OwnInPlace:
    """The ops of a planted model, in place."""
    return own_in_place(program(folder, planted, **arguments), "torch", "eager", passes)


def by_name(ops: OwnInPlace) -> dict[str, dict[str, Any]]:
    """By the name of the op, for models that call none with two shapes."""
    named = {op["op"]: op for op in ops.ops}
    assert len(named) == len(ops.ops)
    return named


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_a_backward_pass_that_was_slowed_is_that_of_its_op_and_of_no_other(tmp_path: Path, precision: str) -> None:
    ops = by_name(shown(tmp_path, "slow_backward", 3, precision=precision))
    slow = ops.pop("SlowBackward")
    assert (slow["count"], slow["shape"]) == (1, "4x8")
    assert slow["backward_s"] >= SLOW_S > slow["forward_s"]
    assert all(max(op["forward_s"], op["backward_s"]) < SLOW_S for op in ops.values())
    top = explanation(shown(tmp_path / "again", "slow_backward", 3, precision=precision), SLOW_PASS).rows[0]
    assert top.op == "SlowBackward"
    assert top.backward_share > 0.9


def test_an_op_counts_with_all_that_runs_within_it_and_names_its_caller(tmp_path: Path) -> None:
    ops = by_name(shown(tmp_path, "slow_backward", 3, depth=3))
    assert {"aten::linear", "SlowBackward", "aten::mse_loss"} <= ops.keys()
    assert not {"aten::addmm", "aten::clone"} & ops.keys(), "these run within them"
    linear = ops["aten::linear"]
    assert (linear["count"], linear["shape"], linear["called_by"]) == (3, "4x8 8x8 8", ("# (Linear)",))
    assert linear["forward_s"] > 0 < linear["backward_s"]
    assert ops["aten::mse_loss"]["called_by"] == ()
    assert 0 < ops["aten::mse_loss"]["backward_s"] < SLOW_S
    assert ops[""]["backward_s"] < 0.1 * linear["backward_s"], "captured gradients only"


def test_what_runs_within_a_node_counts_once_and_as_that_node(tmp_path: Path) -> None:
    ops = by_name(shown(tmp_path, "recomputes", 3))
    assert SLOW_S <= ops["_Recomputes"]["backward_s"] < 1.9 * SLOW_S
    assert sum(op["backward_s"] for op in ops.values()) < 1.9 * SLOW_S
    assert "SlowBackward" not in ops


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("scripted", "name"), [(True, "scaled"), (False, "aten::linear")])
def test_the_backward_pass_of_what_runs_within_another_is_its_own(scripted: bool, name: str) -> None:
    """A function of TorchScript has no number, but all that it calls has; so what autocast wraps."""
    function = torch.jit.script(scaled) if scripted else scaled
    weight = torch.ones(8, 8, requires_grad=True)

    def forward() -> Any:
        with torch.autocast("cpu", enabled=not scripted):
            return function(torch.ones(4, 8), weight).float().mean()

    def backward(loss: Any) -> Any:
        return torch.autograd.grad(loss, weight)

    (ops,) = profiled_ops(forward, backward, {}, torch.device("cpu"), 1)
    (linear,) = (op for op in ops if op.op == name)
    assert linear.count == 1
    assert linear.backward_s > 0


def test_what_was_computed_before_the_run_belongs_to_no_op() -> None:
    weight = torch.ones(8, requires_grad=True)
    before = SlowBackward.apply(weight)

    def backward(loss: Any) -> Any:
        return torch.autograd.grad(loss, weight)

    (ops,) = profiled_ops(lambda: before.sum(), backward, {}, torch.device("cpu"), 1)
    assert {op.op for op in ops if op.backward_s >= SLOW_S} == {""}


def test_tensors_alone_have_ops_without_callers(tmp_path: Path) -> None:
    ops = by_name(shown(tmp_path, "of_tensors"))
    assert ops["aten::matmul"]["backward_s"] > 0
    assert not any(op["called_by"] for op in ops.values())


def test_a_module_is_not_marked_afterwards(tmp_path: Path) -> None:
    own = program(tmp_path, "honest")
    own.profiled_ops(1)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in own._parameters.modules())


def test_torch_eager_shows_ops_and_a_program_that_does_not_says_so(tmp_path: Path) -> None:
    assert isinstance(program(tmp_path, "honest"), OwnProfiled)
    blind: Any = object()
    says = "jax jit does not show the ops of a model of your own yet"
    assert own_in_place(blind, "jax", "jit", 1) == OwnInPlace(reason=says)


def test_a_gpu_shows_nothing(tmp_path: Path) -> None:
    own: Any = program(tmp_path, "honest")
    with pytest.raises(Unsupported, match="record of a GPU is not read"):
        profiled_ops(own.forward, own.backward, own._parameters, torch.device("cuda"), 1)


def test_medians_are_of_all_runs() -> None:
    class Three(Own):
        def __init__(self) -> None:
            pass

        def profiled_ops(self, passes: int) -> list[list[OpTimes]]:
            times = [(3.0, 9.0), (1.0, 8.0), (2.0, 1.0)][:passes]
            return [[OpTimes("a", "", (), 1, forward, backward)] for forward, backward in times]

    (op,) = own_in_place(Three(), "torch", "eager", 3).ops
    assert (op["forward_s"], op["backward_s"]) == (2.0, 8.0)


@pytest.mark.slow
def test_explain_shows_the_ops_of_a_model_of_ones_own(sweep: Sweep) -> None:
    model = ("model=own", "model.torch=tests.own.planted_torch:honest", "device=cpu", "tracking=off")
    brief = ("measure.trials=1", "measure.budget_s=2", "measure.warm_s=0.5")
    code, printed = sweep.run(*model, *brief, "explain=true", "variants.torch=[eager,compile]")
    assert code == 0, printed
    assert "planted_torch:honest torch eager: each op, in place in the whole run" in printed
    assert "planted_torch:honest torch compile: each op, in place in the whole run" in printed
    assert printed.count("in place, under a profiler, the ops add up to") == 2
    page = (sweep.results / "records" / "adhoc" / "main" / "report.html").read_text()
    assert "Which ops take the time?" in page and "aten::linear" in page
