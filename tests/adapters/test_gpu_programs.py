"""What XLA's programs for a GPU execute: ratios and text are read off programs that jax 0.10.2 compiled for an H100."""

from __future__ import annotations

from fractions import Fraction

import pytest

from adapters.choices import Choices
from adapters.common.departures import MAY_JOIN
from adapters.common.hlo import Multiply, executed, multiplies
from adapters.jax.departures import departures
from harness.workload.cost import phase_work
from harness.workload.expected import expected
from harness.workload.models import build
from harness.workload.trace import trace
from tests.helpers.hlo_modules import program
from tests.helpers.op_cases import OpsModel, case

ON_GPU = departures("gpu", Choices())

# (batch 4, 8 or 16 channels) image, kernel, stride, padding, groups; FLOPs over those asked for: forward, dX, dW.
CONVOLUTIONS = [
    ((6, 6), (3, 3), 2, 1, 1, "1", "1", "25/9"),
    ((5, 5), (3, 3), 2, 1, 1, "1", "1", "1"),
    ((8, 8), (3, 3), 2, 1, 1, "1", "1", "1"),
    ((4, 4), (3, 3), 2, 1, 1, "1", "4", "9/4"),
    ((2, 2), (3, 3), 1, 1, 1, "4/9", "4/9", "1"),
    ((96, 96), (16, 16), 16, 0, 1, "1", "36", "1"),
    ((12, 12), (7, 7), 2, 3, 1, "1", "484/49", "121/36"),
    ((4, 4), (7, 7), 4, 3, 1, "16/49", "16/49", "1"),
    ((5, 5), (2, 2), 1, 1, 1, "1", "1", "25/36"),
    ((6, 7), (3, 3), 3, 0, 1, "1", "56/3", "4"),
    ((8, 8), (1, 7), 2, 0, 1, "1", "16", "1"),
    ((12, 12), (3, 3), 2, 1, 8, "1", "4", "1"),
    ((7, 7), (5, 5), 1, 0, 8, "1", "49/9", "1"),
    ((12, 12), (3, 3), 1, 1, 8, "1", "1", "1"),
]


@pytest.mark.parametrize(("image", "kernel", "stride", "padding", "groups", "forward", "dx", "dw"), CONVOLUTIONS)
def test_a_convolution_takes_the_flops_that_cudnn_is_called_for(
    image: tuple[int, int],
    kernel: tuple[int, int],
    stride: int,
    padding: int,
    groups: int,
    forward: str,
    dx: str,
    dw: str,
) -> None:
    arrays = (4, *image, 8), (*kernel, 8 // groups, 16)
    graph = trace(OpsModel([case("conv2d", *arrays, stride=stride, padding=padding, groups=groups)]))
    asked = phase_work(graph, "store", "reverse")
    found = expected(graph, ON_GPU)
    out = graph.specs[graph.calls[0].outputs[0]].shape[1:3]
    whole = 2 * 4 * 8 // groups * 16 * kernel[0] * kernel[1] * out[0] * out[1]

    def beyond(phase: str) -> Fraction:
        return Fraction(found[phase].most[1] - asked[phase].flops, whole)

    assert beyond("inference") == Fraction(forward) - 1
    assert beyond("backward") == Fraction(dx) + Fraction(dw) - 2


def test_products_with_a_vector_are_no_multiplies() -> None:
    graph = trace(build("mlp", {"batch": 1, "depth": 3, "width": 8}))
    assert {phase: e.most for phase, e in expected(graph, ON_GPU).items()} == dict.fromkeys(
        ("inference", "forward", "backward", "gradient", "tangent", "update"), (0, 0)
    )


def test_multiplies_with_the_same_factor_may_be_joined_with_no_flop_more_or_less() -> None:
    layers = 2
    sizes = {"batch": 2, "tokens": 8, "layers": layers, "width": 32, "heads": 4, "kv_heads": 2}
    graph = trace(build("llama", sizes | {"hidden": 48, "vocabulary": 64}))
    forward = expected(graph, ON_GPU)["forward"]
    joins = 3 * layers  # queries, keys and values are one; gate and up another
    assert forward.joins == joins
    assert forward.says == MAY_JOIN
    matmuls, flops = forward.most
    assert forward.failure("forward", (matmuls - joins, flops)) is None
    assert forward.failure("forward", (matmuls - joins - 1, flops)) is not None
    assert forward.failure("forward", (matmuls - joins, flops - 2)) is not None
    assert expected(graph, departures("cpu", Choices()))["forward"].joins == 0


# x @ w of [4, 1000] and [1000, 512]; the sum is split among 8 blocks of 128, so both are padded with zeros to 1024.
SPLIT = """
HloModule jit_f, is_scheduled=true

%gemm_computation (parameter_0: f32[4,8,128], parameter_1: f32[512,8,128]) -> f32[8,4,512] {
  %parameter_1 = f32[512,8,128]{2,1,0} parameter(1)
  %parameter_0 = f32[4,8,128]{2,1,0} parameter(0)
  ROOT %dot.4 = f32[8,512,4]{1,2,0} dot(%parameter_1, %parameter_0), lhs_batch_dims={1}, lhs_contracting_dims={2}, \
rhs_batch_dims={1}, rhs_contracting_dims={2}
}

%fused_pad (param_0.1: f32[4,1000]) -> f32[4,1024] {
  %param_0.1 = f32[4,1000]{1,0} parameter(0)
  %constant.1 = f32[] constant(0)
  ROOT %pad.4 = f32[4,1024]{1,0} pad(%param_0.1, %constant.1), padding=0_0x0_24
}

%fused_pad.1 (param_0.2: f32[512,1000]) -> f32[512,1024] {
  %param_0.2 = f32[512,1000]{1,0} parameter(0)
  %constant.2 = f32[] constant(0)
  ROOT %pad.5 = f32[512,1024]{1,0} pad(%param_0.2, %constant.2), padding=0_0x0_24
}

ENTRY %main (x.1: f32[4,1000], w.1: f32[512,1000]) -> f32[8,4,512] {
  %x.1 = f32[4,1000]{1,0} parameter(0)
  %w.1 = f32[512,1000]{1,0} parameter(1)
  %loop_pad_fusion = f32[4,1024]{1,0} fusion(%x.1), kind=kLoop, calls=%fused_pad
  %bitcast.521 = f32[4,8,128]{2,1,0} bitcast(%loop_pad_fusion)
  %loop_pad_fusion.1 = f32[512,1024]{1,0} fusion(%w.1), kind=kLoop, calls=%fused_pad.1
  %bitcast.520 = f32[512,8,128]{2,1,0} bitcast(%loop_pad_fusion.1)
  ROOT %gemm_fusion = f32[8,4,512]{2,1,0} fusion(%bitcast.521, %bitcast.520), kind=kCustom, calls=%gemm_computation
}
"""


def test_the_zeros_appended_to_split_a_sum_do_not_count() -> None:
    found = executed(SPLIT)
    assert (found.matmuls, found.flops) == (1, 2 * 4 * 1000 * 512)


def test_zeros_in_one_factor_alone_are_part_of_the_multiply() -> None:
    rows_padded = SPLIT.replace("f32[4,1000]", "f32[4,1024]")
    assert executed(rows_padded).flops == 2 * 4 * 1024 * 512


@pytest.mark.parametrize(
    "call",
    [
        "(f32[2,5,5,6]{3,2,1,0}, u8[0]{0}) custom-call(%x, %w), custom_call_target="
        '"__cudnn$convForward", window={size=3x3 stride=2x2 pad=1_1x1_1}, dim_labels=b01f_01io->b01f',
        "(f32[2,9,9,4]{3,2,1,0}, u8[0]{0}) custom-call(%y, %w), window={size=3x3 stride=2x2 pad=1_1x1_1}, "
        'dim_labels=b01f_01io->b01f, custom_call_target="__cudnn$convBackwardInput"',
        "(f32[3,3,4,6]{3,2,1,0}, u8[0]{0}) custom-call(%x, %y), window={size=3x3 stride=2x2 pad=1_1x1_1}, "
        'dim_labels=b01f_01io->b01f, custom_call_target="__cudnn$convBackwardFilter"',
    ],
)
def test_cudnn_calls_count_as_the_forward_convolution(call: str) -> None:
    text = program(
        "%x = f32[2,9,9,4]{3,2,1,0} parameter(0)",
        "%w = f32[3,3,4,6]{3,2,1,0} parameter(1)",
        "%y = f32[2,5,5,6]{3,2,1,0} parameter(2)",
        f"%custom-call.1 = {call}, backend_config={{}}",
    )
    assert multiplies(text) == [Multiply("convolution", 2 * (2 * 5 * 5 * 6) * 3 * 3 * 4)]


@pytest.mark.parametrize(
    "call",
    [
        '(f32[16,8]{1,0}, s8[1028]{0}) custom-call(%a, %b), custom_call_target="__cublas$gemm", backend_config='
        '{"gemm_backend_config":{"alpha_real":1,"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"]}}}',
        'f32[16,8]{1,0} custom-call(%a, %b), custom_call_target="__onednn$matmul", backend_config={}',
    ],
)
def test_library_matrix_multiplies_count(call: str) -> None:
    text = program(
        "%a = f32[16,32]{1,0} parameter(0)", "%b = f32[32,8]{1,0} parameter(1)", f"ROOT %custom-call.3 = {call}"
    )
    assert multiplies(text) == [Multiply("dot", 2 * 16 * 8 * 32)]
