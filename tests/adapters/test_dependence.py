"""Every answer follows from what the program holds when it is asked: none is one that it gave before.

`harness/measure/verify.py` refuses a phase that hands out the same arrays twice. A copy of them it cannot tell from
an answer that was computed; here the parameters change meanwhile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.workload.agreement import agreement
from harness.workload.oracle import reference
from tests.adapters.test_contract import work
from tests.helpers.executions import COMPILED_SLOWLY, EXECUTIONS, adapter_of
from tests.helpers.tiny import answers


def scale_numpy(program: Any, name: str, factor: float) -> None:
    program._arrays[name] = program._arrays[name] * np.float32(factor)


def scale_torch(program: Any, name: str, factor: float) -> None:
    program._params[name].data.mul_(factor)  # autograd would refuse to use what is changed before its eyes


def scale_jax(program: Any, name: str, factor: float) -> None:
    program._arguments[0][name] = program._arguments[0][name] * factor


def scale_tensorflow(program: Any, name: str, factor: float) -> None:
    if hasattr(program, "_variables"):
        program._variables[name].assign(program._variables[name] * factor)
    else:
        program._arrays[name] = program._arrays[name] * factor


SCALE = {"numpy": scale_numpy, "torch": scale_torch, "jax": scale_jax, "tensorflow": scale_tensorflow}


def combination(framework: str, execution: str) -> Any:
    marks = [pytest.mark.slow] if execution in COMPILED_SLOWLY else []
    marks.append(pytest.mark.xdist_group(f"{framework}-{execution}"))
    return pytest.param(framework, execution, marks=marks)


@pytest.mark.parametrize(("framework", "execution"), [combination(*pair) for pair in EXECUTIONS])
def test_every_phase_follows_its_parameters_and_backward_what_forward_kept(framework: str, execution: str) -> None:
    graph, arrays, expected = work("mlp")
    doubled = reference(graph, {**arrays, "w1": 2 * arrays["w1"]})
    assert abs(doubled.loss / expected.loss - 1) > 0.01
    program = adapter_of(framework).load(graph, arrays, execution)
    assert agreement(*answers(program), expected).failure("fp32") is None

    SCALE[framework](program, "w1", 2)
    assert agreement(*answers(program), doubled).failure("fp32") is None
    kept = program.forward()
    SCALE[framework](program, "w1", 0.5)
    of_both = program.export(program.backward(kept))
    assert agreement([expected.loss], [of_both], expected).worst[1] > 0.01, "it is not that of what was kept"
    assert agreement(*answers(program), expected).failure("fp32") is None
