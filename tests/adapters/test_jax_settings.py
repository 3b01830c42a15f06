"""What the jax adapter sets for its process: device, threads, precision, denormals, caches; and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from adapters.base import PHASES, Unsupported  # noqa: E402
from adapters.jax import Adapter, ops  # noqa: E402
from adapters.jax.executable import Executable  # noqa: E402
from harness.workload import draw  # noqa: E402
from harness.workload.trace import trace  # noqa: E402
from tests.helpers.tiny import TINY_MLP  # noqa: E402

ROOT = Path(__file__).parents[2]
THREADS = 1  # as in the other tests: jax keeps its first number until the process ends


def test_denormals_are_flushed() -> None:
    tiny = np.full(8, 1e-40, np.float32)
    summed = Executable(ops.add, "highest", {})(jnp.asarray(tiny), jnp.asarray(tiny))
    assert not np.asarray(summed).view(np.int32).any()


@pytest.mark.parametrize(
    ("device", "precision", "said"),
    [("cpu", "tf32", "tf32"), ("tpu", "fp32", "tpu"), ("cuda", "fp32", "no cuda device")],
)
def test_what_cannot_be_done_is_refused(device: str, precision: str, said: str) -> None:
    if device == "cuda" and any(found.platform == "gpu" for found in jax.devices()):
        pytest.skip("this machine has a GPU")
    with pytest.raises(Unsupported, match=said):
        Adapter(device, THREADS, precision)


def test_unknown_executions_and_changed_threads_are_refused() -> None:
    adapter = Adapter("cpu", THREADS, "fp32")
    with pytest.raises(Unsupported, match="eager"):
        adapter.load(trace(TINY_MLP), {}, "eager")
    with pytest.raises(Unsupported, match="threads"):
        Adapter("cpu", THREADS + 1, "fp32")


def test_describes_what_is_in_force() -> None:
    described = Adapter("cpu", THREADS, "fp32").describe()
    assert described["jax"] == jax.__version__
    assert described["multiply_precision"] == "highest"
    assert described["compiler_options"] == "none"


def _child(script: str, **environment: str) -> str:
    """What a fresh process prints that runs `script` after loading a tiny network."""
    start = (
        "import sys; sys.path.insert(0, '.')\n"
        "import jax, os\n"
        "from pathlib import Path\n"
        "from adapters.jax import Adapter\n"
        "from harness.workload.trace import trace\n"
        "from tests.helpers.tiny import TINY_MLP, answers, sample\n"
        "graph = trace(TINY_MLP)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + script],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_threads_are_as_many_as_asked_for() -> None:
    """Whatever the number of CPUs and whatever the environment says."""
    names = _child(
        "program = Adapter('cpu', 3, 'fp32').load(graph, sample(graph), 'jit'); answers(program)\n"
        "print([p.read_text().strip() for p in Path('/proc/self/task').glob('*/comm')])",
        NPROC="2",
    )
    assert names.count("XLAEigen") == 3


def test_the_target_of_the_compiler_is_described() -> None:
    """The CPU that XLA compiles for, which a flag may lower."""
    if not (said := Adapter("cpu", THREADS, "fp32").describe()["target"].split()) or "avx2" not in said:
        pytest.skip("this CPU has no AVX2 to be left out")
    assert said[0].endswith(",")
    lowered = _child("print(Adapter('cpu', 1, 'fp32').describe()['target'])", XLA_FLAGS="--xla_cpu_max_isa=AVX")
    assert "avx2" not in lowered.split() and "avx" in lowered.split()


def test_gpu_memory_is_not_taken_in_advance_and_no_cache_is_set_by_default() -> None:
    said = _child(
        "Adapter('cpu', 2, 'fp32')\n"
        "print(os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'], jax.config.jax_compilation_cache_dir)"
    )
    assert said.split() == ["false", "None"]


def test_compiled_programs_are_cached_on_disk(tmp_path: Path) -> None:
    """The second process compiles nothing, and still knows what it executes."""
    script = (
        "hits = []\n"
        "jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))\n"
        "program = Adapter('cpu', 2, 'fp32').load(graph, sample(graph), 'jit'); answers(program)\n"
        "executed = [(e.matmuls, e.flops) for e in program.executed().values()]\n"
        "print(hits.count('/jax/compilation_cache/cache_misses'), executed)"
    )
    first, second = (_child(script, TWOFOLD_CACHE_DIR=str(tmp_path)).split(" ", 1) for _ in range(2))
    assert int(first[0]) >= len(PHASES)
    assert int(second[0]) == 0
    assert first[1] == second[1]


@pytest.mark.parametrize(
    ("op", "attrs", "shapes"),
    [
        (ops.attention, {"heads": 2, "causal": True}, [(2, 8, 16)] * 3),
        (ops.layer_norm, {"eps": 1e-5}, [(4, 16), (16,), (16,)]),
        (ops.batch_norm, {"eps": 1e-5}, [(2, 4, 4, 3), (3,), (3,)]),
    ],
    ids=["attention", "layer_norm", "batch_norm"],
)
def test_ops_keep_bf16(op: Callable[..., Any], attrs: dict[str, Any], shapes: list[tuple[int, ...]]) -> None:
    """An op that slips into float32 would make all that follows it float32."""
    arrays = [draw.normal(*shape).sample(0, str(i)) for i, shape in enumerate(shapes)]
    narrow, wide = (op(*(jnp.asarray(array, kind) for array in arrays), **attrs) for kind in ("bfloat16", "float32"))
    assert narrow.dtype == jnp.bfloat16
    assert float(jnp.linalg.norm(narrow.astype("float32") - wide)) < 2e-2 * float(jnp.linalg.norm(wide))
