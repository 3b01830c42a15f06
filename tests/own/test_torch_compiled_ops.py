"""What torch's profiler tells of the ops of a user's own model that torch.compile has compiled."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from adapters.base import Unsupported  # noqa: E402
from adapters.choices import Choices  # noqa: E402
from adapters.profiled import OpTimes  # noqa: E402
from harness.measure.subject import subject_of  # noqa: E402
from tests.helpers.own import least, session, written  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the compiler makes a torch.autograd.Function itself
]

_MARK = re.compile(r"^ *mark = .*\n", re.MULTILINE)


def loaded(folder: Path) -> Any:
    """The planted model, loaded for torch.compile; nothing is compiled yet."""
    return subject_of(folder, "torch").load(session("torch").adapter, "compile", Choices())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its workload, with the truth that loading needs."""
    folder = tmp_path_factory.mktemp("workload")
    written(folder, {"torch": "planted_torch:many_ops"})
    session("torch", "fp64").reference(str(folder), draw=True)
    return folder


@pytest.fixture(scope="module")
def runs(folder: Path) -> list[list[OpTimes]]:
    """Its ops in three runs, after first calls, which leave the timed program in Inductor's cache."""
    compiled = loaded(folder)
    compiled.backward(compiled.forward())
    shown: list[list[OpTimes]] = compiled.profiled_ops(3)
    return shown


@pytest.fixture(scope="module")
def ops(runs: list[list[OpTimes]]) -> dict[str, OpTimes]:
    """The ops with the least of their times, by name and caller's module."""
    return {" ".join([op.op, *(caller.partition(" ")[0] for caller in op.called_by)]): op for op in least(runs)}


def test_an_op_that_is_dear_in_backward_only_is_the_dearest_there(ops: dict[str, OpTimes]) -> None:
    dear = max(ops.values(), key=lambda op: op.backward_s)
    assert dear.op == "autograd_function_apply"
    assert dear.backward_s > 0.5 * sum(op.backward_s for op in ops.values())
    assert dear.backward_s > 20 * dear.forward_s
    assert dear.called_by[0].startswith("planted_torch.py:")


def test_layers_have_both_passes_their_shapes_and_who_calls_them(ops: dict[str, OpTimes]) -> None:
    convolution, linear = ops["conv2d convolution"], ops["linear linear"]
    assert convolution.forward_s > 0 < convolution.backward_s
    assert linear.forward_s > 0 < linear.backward_s
    assert (convolution.count, convolution.shape) == (1, "4x3x8x8 4x3x3x3 4")
    assert (linear.count, linear.shape) == (1, "4x144 16x144 16")
    assert re.fullmatch(r"convolution \(planted_torch\.py:\d+\)", convolution.called_by[0])


def test_a_needless_op_is_named_with_the_line_that_calls_it(ops: dict[str, OpTimes]) -> None:
    needless = ops["sort needless"]
    source = (Path(__file__).parent / "planted_torch.py").read_text().splitlines()
    line = next(number for number, text in enumerate(source, 1) if ".sort(" in text)
    assert needless.called_by == (f"needless (planted_torch.py:{line})",)
    assert needless.forward_s > 0


def test_a_kernel_is_shared_by_all_ops_that_were_fused_in_it(ops: dict[str, OpTimes]) -> None:
    norm, bend = ops["layer_norm norm"], ops["softplus bend"]
    assert norm.forward_s > bend.forward_s > 0


def test_what_a_checkpoint_computes_again_is_backward_of_the_op_that_asks_for_it(ops: dict[str, OpTimes]) -> None:
    linear = ops["linear checkpointed.layers.#"]
    assert (linear.count, linear.shape) == (2, "4x16 16x16 16")
    assert linear.forward_s > 0 < linear.backward_s
    assert ops["erf checkpointed"].count == 2


def test_a_sum_of_gradients_is_of_no_op(ops: dict[str, OpTimes]) -> None:
    assert ops[""].forward_s == 0 < ops[""].backward_s
    assert ops[""].backward_s < 0.1 * sum(op.backward_s for op in ops.values())


def test_each_run_has_the_same_ops(runs: list[list[OpTimes]]) -> None:
    first, *others = [[(op.op, op.shape, op.count) for op in run] for run in runs]
    assert len(others) == 2
    assert all(other == first for other in others)


def test_what_is_profiled_is_the_program_that_is_timed_but_for_the_marks(folder: Path) -> None:
    from torch._inductor import config
    from torch._inductor.codegen.cpp import CppScheduling
    from torch._inductor.scheduler import Scheduler
    from torch._inductor.utils import run_and_get_code

    compiled = loaded(folder)
    hooks = CppScheduling.codegen_comment, Scheduler.codegen_extern_call
    with config.patch(fx_graph_cache=False):
        _, timed = run_and_get_code(lambda: compiled.backward(compiled.forward()))
    _, profiled = run_and_get_code(lambda: compiled.profiled_ops(1))
    assert (CppScheduling.codegen_comment, Scheduler.codegen_extern_call) == hooks
    assert len(timed) == len(profiled) == 2
    assert [len(_MARK.findall(text)) for text in timed] == [0, 0]
    assert all(_MARK.search(text) for text in profiled)
    for ours, theirs in zip(profiled, timed, strict=True):  # but for their first line, a number of the compilation
        assert _MARK.sub("", ours).splitlines()[1:] == theirs.splitlines()[1:]


def test_a_gpu_shows_nothing(folder: Path) -> None:
    on_a_gpu = loaded(folder)
    on_a_gpu._wanted = [SimpleNamespace(device=torch.device("cuda"))]
    with pytest.raises(Unsupported, match="record of a GPU is not read"):
        on_a_gpu.profiled_ops(1)
