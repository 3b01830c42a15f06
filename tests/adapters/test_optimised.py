"""What XLA makes of a program for a user: the other tests leave its optimiser of machine code out, see `xla.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = """
import sys
from harness.workload.agreement import agreement
from tests.adapters.test_contract import load
from tests.helpers.tiny import counts

framework, execution, *works = sys.argv[1:]
for work in works:
    loaded = load(framework, execution, work)
    assert not (failure := agreement(loaded.losses, loaded.gradients, loaded.expected).failure("fp32")), (work, failure)
    counts(loaded.adapter, loaded.program, loaded.graph, execution)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("framework", "execution"),
    [
        pytest.param("jax", "jit", marks=pytest.mark.xdist_group("jax optimised")),
        pytest.param("tensorflow", "xla", marks=pytest.mark.xdist_group("tensorflow optimised")),
    ],
)
def test_it_computes_and_executes_what_it_should(framework: str, execution: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHECK, framework, execution, "mlp", "gpt2", "short resnet", "each op once"],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"XLA_FLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
