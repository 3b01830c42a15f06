"""A program that leaves out the gradient of a frozen parameter from its answer but not from its work is found out."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.choices import DEFAULT
from harness.measure.clock import first_calls
from harness.measure.protocol import Failure, Outcome
from tests.helpers.executions import EXECUTIONS, Pair, adapter_of
from tests.helpers.programs import work
from tests.helpers.small_models import LAYERS
from tests.helpers.tiny import counts

pytestmark = pytest.mark.usefixtures("no_code_generation")

QUICK: list[Pair] = [pair for pair in EXECUTIONS if pair[1] not in ("compile", "xla")]


@pytest.mark.parametrize(("framework", "execution"), QUICK)
def test_a_dw_that_is_computed_all_the_same_fails_the_count(framework: str, execution: str) -> None:
    (whole, arrays, _), part = work("mlp"), work("mlp", frozen="first:1")[0]
    adapter = adapter_of(framework)
    program: Any = adapter.load(whole.graph, arrays, execution)
    first_calls(adapter, program)
    with pytest.raises(Failure, match=f"backward executes {2 * LAYERS - 1} multiplies") as failed:
        counts(adapter, program, part.graph, execution, DEFAULT)
    assert failed.value.outcome is Outcome.INVALID
