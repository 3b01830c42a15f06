"""jax's attention in cuDNN's kernel: its arguments, through XLA's implementation of the same function; its refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from adapters.base import Unsupported  # noqa: E402
from adapters.choices import Choices  # noqa: E402
from adapters.common import hlo  # noqa: E402
from adapters.jax import Adapter, cudnn_attention, departures, ops  # noqa: E402
from harness.workload.cost import phase_work  # noqa: E402
from harness.workload.expected import expected  # noqa: E402
from tests.helpers.executions import adapter_of  # noqa: E402
from tests.helpers.programs import work  # noqa: E402

BATCH, TOKENS, WIDTH, HEADS = 2, 6, 16, 4
KEYS = np.arange(TOKENS) < np.array([[4], [6]])
BIAS = np.linspace(-1, 1, HEADS * TOKENS * TOKENS, dtype=np.float32).reshape(HEADS, TOKENS, TOKENS)


@pytest.mark.parametrize(
    ("mask", "causal", "kv_heads"), [(None, True, None), (None, True, 2), (KEYS, False, None), (BIAS, False, None)]
)
def test_it_is_the_same_attention(
    monkeypatch: pytest.MonkeyPatch, mask: np.ndarray | None, causal: bool, kv_heads: int | None
) -> None:
    monkeypatch.setattr(cudnn_attention, "IMPLEMENTATION", "xla")
    generator = np.random.default_rng(0)
    width = WIDTH // HEADS * (kv_heads or HEADS)
    q, k, v = (generator.normal(size=(BATCH, TOKENS, n)).astype(np.float32) for n in (WIDTH, width, width))
    mask = None if mask is None else jax.numpy.asarray(mask)
    how: dict[str, Any] = {"heads": HEADS, "causal": causal, "kv_heads": kv_heads}
    wanted = ops.attention(jax.numpy.asarray(q), jax.numpy.asarray(k), jax.numpy.asarray(v), mask, **how)
    found = cudnn_attention.attention(jax.numpy.asarray(q), jax.numpy.asarray(k), jax.numpy.asarray(v), mask, **how)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("attention", ["fused", "cudnn", "flash", "efficient", "math"])
def test_a_cpu_has_none(attention: str) -> None:
    workload, arrays, _ = work("gpt2")
    with pytest.raises(Unsupported, match=r"^jax: "):
        adapter_of("jax", precision="bf16").load(workload.graph, arrays, "jit", Choices(attention=attention))


def test_it_takes_five_multiplies_backward() -> None:
    graph = work("gpt2")[0].graph
    backward = expected(graph, departures.departures("gpu", Choices(attention="cudnn")))["backward"]
    assert backward.most[0] == phase_work(graph)["backward"].matmuls + 1
    assert "cuDNN" in backward.says


def test_what_it_does_not_take_is_unsupported() -> None:
    """On a CPU jax finds no cuDNN; on a GPU, arrays of 32 bits are refused in the same place."""
    adapter = adapter_of("jax")
    assert isinstance(adapter, Adapter)
    q = jax.numpy.zeros((BATCH, TOKENS, WIDTH))
    with pytest.raises(Exception) as raised:
        jax.jit(lambda q: cudnn_attention.attention(q, q, q, heads=HEADS, causal=True)).lower(q)
    assert str(adapter.refusal(raised.value)).startswith("jax: cuDNN's attention does not take these arrays (")
    assert adapter.refusal(RuntimeError("out of memory")) is None


@pytest.mark.parametrize(
    ("target", "matmuls"),
    [
        ("__cudnn$fmhaSoftmax", 2),
        ("__cudnn$fmhaScaleBiasSoftmax", 2),
        ("__cudnn$fmhaSoftmaxBackward", 5),
        ("__cudnn$fmhaScaleBiasSoftmaxBackward", 5),
    ],
)
def test_cudnns_call_counts_its_products(target: str, matmuls: int) -> None:
    """As jax 0.10 lowers it: [batch, positions, heads, d], and four heads of queries for each of two groups of keys."""
    text = (
        "HloModule m\n\nENTRY %main (q: bf16[2,8,4,16], k: bf16[2,32,2,16]) -> bf16[2,4,8,16] {\n"
        "  %q = bf16[2,8,4,16]{3,2,1,0} parameter(0)\n"
        "  %k = bf16[2,32,2,16]{3,2,1,0} parameter(1)\n"
        "  ROOT %custom-call.5 = (bf16[2,4,8,16]{3,1,2,0}, f32[2,4,8]{2,1,0}, u8[0]{0}) custom-call(%q, %k, %k), "
        f'custom_call_target="{target}", operand_layout_constraints={{bf16[2,8,4,16]{{3,2,1,0}}}}, '
        'api_version=API_VERSION_STATUS_RETURNING, backend_config={"cudnn_fmha_backend_config":{"fmha_scale":0.25}}\n'
        "}\n"
    )
    assert hlo.multiplies(text) == [hlo.Multiply("dot", 2 * (2 * 8 * 4 * 16) * 32)] * matmuls
