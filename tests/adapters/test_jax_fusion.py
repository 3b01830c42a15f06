"""Which multiplies XLA puts into one kernel, as the choice `fusion` has it."""

from __future__ import annotations

import re
from typing import Any

import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from adapters.base import PHASES  # noqa: E402
from adapters.choices import Choices  # noqa: E402
from adapters.jax import Adapter, ops  # noqa: E402
from adapters.jax.adapter import FUSION  # noqa: E402
from adapters.jax.executable import Executable  # noqa: E402
from harness.workload import draw  # noqa: E402
from harness.workload.trace import trace  # noqa: E402
from tests.helpers.tiny import answers, sample  # noqa: E402

THREADS = 1  # as in the other tests: jax keeps its first number until the process ends


def test_a_single_fusion_puts_no_two_multiplies_into_a_kernel() -> None:
    """XLA's default for a CPU puts the whole inference of this network into one slow kernel."""

    def mean_square(weights: Any, x: Any) -> Any:
        for w in weights:
            x = ops.relu(ops.linear(x, w, jnp.zeros(256)))
        return jnp.mean(x * x)

    def dots(options: dict[str, Any]) -> int:
        phase = Executable(mean_square, "highest", options)
        phase([jnp.ones((256, 256))] * 4, jnp.ones((64, 256)))
        return _dots_per_kernel(phase.hlo())

    assert dots(FUSION["single"]) == 1
    assert dots(FUSION["native"]) > 1, "XLA's default does this by itself now; drop the choice"


class Squares:
    """Layers with a mean square error, which XLA puts into one kernel."""

    def batch_arrays(self) -> Any:
        return {"x": draw.normal(64, 256), "target": draw.normal(64, 256)}

    def loss(self, ops: Any, param: Any, x: Any, target: Any) -> Any:
        for i in range(3):
            x = ops.relu(ops.linear(x, param(f"w{i}", draw.he(256, 256)), param(f"b{i}", draw.bias(256))))
        return ops.mse(x, target)


def test_the_choice_of_fusion_reaches_the_compiler_and_is_described() -> None:
    graph = trace(Squares())
    adapter = Adapter("cpu", THREADS, "fp32")
    for fusion, said in (("single", "INDIVIDUAL_DOT"), ("native", "none")):
        program = adapter.load(graph, sample(graph), "jit", Choices(fusion=fusion))
        answers(program)
        assert said in adapter.describe()["compiler_options"]
        texts = [getattr(program, f"_{phase}").hlo() for phase in PHASES]
        assert (max(map(_dots_per_kernel, texts)) == 1) == (fusion == "single")


def _dots_per_kernel(text: str) -> int:
    return max(computation.count(" dot(") for computation in re.split(r"\n\n", text) if "ENTRY" not in computation)
