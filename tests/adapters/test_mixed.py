"""bf16 as trained, in what the table of `test_agreement.py` cannot check: norms of few images, ops without weights."""

from __future__ import annotations

import pytest

from adapters.base import Unsupported
from adapters.choices import Choices
from adapters.common.refusals import check_choices
from harness.measure.clock import first_calls
from harness.workload.agreement import LOSS_LIMIT
from harness.workload.workload import Workload
from tests.helpers.executions import QUICK, adapter_of
from tests.helpers.programs import work
from tests.helpers.tiny import counts


@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_norms_and_convolutions_are_mixed(framework: str, execution: str) -> None:
    """Gradients of norms of two images are off by half in bf16, so the loss alone is compared."""
    workload, arrays, expected = work("resnet18", precision="bf16_mixed")
    try:
        adapter = adapter_of(framework, precision="bf16_mixed")
    except Unsupported as refusal:
        assert "bf16" in str(refusal)
        pytest.skip(str(refusal))
    program = adapter.load(workload.graph, arrays, execution)
    first_calls(adapter, program)
    counts(adapter, program, workload.graph, execution)
    loss, gradients = program.gradient()
    assert float(loss) == pytest.approx(expected.loss, rel=LOSS_LIMIT["bf16_mixed"])
    assert all("float32" in str(array.dtype) for array in gradients.values())


def test_an_op_without_weights_has_nothing_to_step_along_in_mixed_precision() -> None:
    graph = Workload.of("op", {"op": "relu"}).graph
    with pytest.raises(Unsupported, match="an op without weights has no float32 parameters"):
        check_choices(graph, Choices(optimizer="sgd"), "bf16_mixed")
    check_choices(Workload.of("op", {"op": "linear"}).graph, Choices(optimizer="sgd"), "bf16_mixed")
