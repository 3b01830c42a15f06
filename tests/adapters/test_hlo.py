"""The counter of multiplies in XLA programs, on text that jax 0.10 and tensorflow 2.21 printed (metadata removed)."""

from __future__ import annotations

import pytest

from adapters.common.hlo import Multiply, executed, multiplies
from tests.helpers.hlo_modules import program

# jax.grad of sum(y²) with y a 3x3 convolution of [2, 9, 9, 4] to [2, 5, 5, 6], stride 2, padding 1.
STRIDED = """
HloModule jit_f, is_scheduled=true, entry_computation_layout={(f32[3,3,4,6]{3,2,1,0}, f32[2,9,9,4]{3,2,1,0})->f32[]}

%fused_computation (param_0.2: f32[3,3,4,6]) -> f32[3,3,6,4] {
  %param_0.2 = f32[3,3,4,6]{3,2,1,0} parameter(0)
  %rev.0 = f32[3,3,4,6]{3,2,1,0} reverse(%param_0.2), dimensions={0,1}
  ROOT %transpose.6 = f32[3,3,6,4]{2,3,1,0} transpose(%rev.0), dimensions={0,1,3,2}
}

%fused_computation.1 (param_0.5: f32[2,5,5,6]) -> f32[5,5,2,6] {
  %param_0.5 = f32[2,5,5,6]{3,2,1,0} parameter(0)
  ROOT %transpose.7 = f32[5,5,2,6]{3,1,0,2} transpose(%param_0.5), dimensions={1,2,0,3}
}

%fused_computation.2 (param_0.7: f32[2,9,9,4]) -> f32[4,9,9,2] {
  %param_0.7 = f32[2,9,9,4]{3,2,1,0} parameter(0)
  ROOT %transpose.8 = f32[4,9,9,2]{0,2,1,3} transpose(%param_0.7), dimensions={3,1,2,0}
}

ENTRY %main.1 (w.1: f32[3,3,4,6], x.1: f32[2,9,9,4]) -> (f32[4,3,3,6], f32[2,9,9,4]) {
  %w.1 = f32[3,3,4,6]{3,2,1,0} parameter(0)
  %x.1 = f32[2,9,9,4]{3,2,1,0} parameter(1)
  %reversed = f32[3,3,6,4]{3,2,1,0} fusion(%w.1), kind=kLoop, calls=%fused_computation
  %y = f32[2,5,5,6]{3,2,1,0} convolution(%x.1, %w.1), window={size=3x3 stride=2x2 pad=1_1x1_1}, \
dim_labels=b01f_01io->b01f
  %x.2 = f32[4,9,9,2]{3,2,1,0} fusion(%x.1), kind=kLoop, calls=%fused_computation.2
  %y.2 = f32[5,5,2,6]{3,2,1,0} fusion(%y), kind=kLoop, calls=%fused_computation.1
  %convolution-base-dilated = f32[2,9,9,4]{3,2,1,0} convolution(%y, %reversed), \
window={size=3x3 pad=1_1x1_1 lhs_dilate=2x2}, dim_labels=b01f_01io->b01f
  %convolution-window-dilated = f32[4,3,3,6]{3,2,1,0} convolution(%x.2, %y.2), \
window={size=5x5 pad=1_1x1_1 rhs_dilate=2x2}, dim_labels=b01f_01io->b01f
  ROOT %tuple = (f32[4,3,3,6]{3,2,1,0}, f32[2,9,9,4]{3,2,1,0}) \
tuple(%convolution-window-dilated, %convolution-base-dilated)
}
"""

# jax: lax.scan of tanh(c @ c), seven times, as one of XLA's own library fusions.
LOOP = """
HloModule jit__lambda, is_scheduled=true

%fused_computation (param_0: f32[8,8]) -> f32[8,8] {
  %param_0 = f32[8,8]{1,0} parameter(0)
  ROOT %dot_general.2 = f32[8,8]{1,0} dot(%param_0, %param_0), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

%region_0.2 (arg_tuple.1: (s32[], f32[8,8])) -> (s32[], f32[8,8]) {
  %arg_tuple.1 = (s32[], f32[8,8]{1,0}) parameter(0)
  %get-tuple-element.5 = f32[8,8]{1,0} get-tuple-element(%arg_tuple.1), index=1
  %get-tuple-element.4 = s32[] get-tuple-element(%arg_tuple.1), index=0
  %ynn_fusion = f32[8,8]{1,0} fusion(%get-tuple-element.5), kind=kCustom, calls=%fused_computation, \
backend_config={"fusion_config":{"kind":"__ynn_fusion"},"outer_dimension_partitions":[]}
  ROOT %tuple.3 = (s32[], f32[8,8]{1,0}) tuple(%get-tuple-element.4, %ynn_fusion)
}

%region_1.3 (arg_tuple.3: (s32[], f32[8,8])) -> pred[] {
  %arg_tuple.3 = (s32[], f32[8,8]{1,0}) parameter(0)
  ROOT %constant.4 = pred[] constant(true)
}

ENTRY %main.4 (c.1: f32[8,8]) -> f32[8,8] {
  %c.1 = f32[8,8]{1,0} parameter(0)
  %constant.5 = s32[] constant(0)
  %tuple = (s32[], f32[8,8]{1,0}) tuple(%constant.5, %c.1)
  %while.5 = (s32[], f32[8,8]{1,0}) while(%tuple), condition=%region_1.3, body=%region_0.2, \
backend_config={"dynamic_variables":[],"known_trip_count":{"n":"7"}}
  ROOT %while.7 = f32[8,8]{1,0} get-tuple-element(%while.5), index=1
}
"""


def convolution(
    left: str, right: str, out: str, window: str, before: tuple[str, ...] = (), computations: str = ""
) -> int:
    text = program(
        f"%left = f32[{left}] parameter(0)",
        f"%right = f32[{right}] parameter(1)",
        *before,
        f"ROOT %c = f32[{out}] convolution(%{'l' if before else 'left'}, %{'r' if before else 'right'}), "
        f"window={{{window}}}, dim_labels=b01f_01io->b01f",
        computations=computations,
    )
    (found,) = multiplies(text)
    return found.flops


def test_a_strided_convolution_and_both_its_gradients_have_equal_work() -> None:
    assert multiplies(STRIDED) == [Multiply("convolution", 2 * (2 * 5 * 5 * 6) * 3 * 3 * 4)] * 3


def test_a_multiply_in_a_loop_counts_once_per_trip() -> None:
    assert executed(LOOP).matmuls == 7
    assert executed(LOOP).flops == 7 * 2 * 8**3


def test_a_loop_that_does_not_say_how_often_it_runs_is_refused() -> None:
    with pytest.raises(ValueError, match="trips"):
        multiplies(LOOP.replace("known_trip_count", "unknown"))


def test_a_computation_that_is_never_called_does_not_count_and_one_called_twice_counts_twice() -> None:
    dot = """%product (a: f32[2,3]) -> f32[2,2] {
  %a = f32[2,3]{1,0} parameter(0)
  ROOT %d = f32[2,2]{1,0} dot(%a, %a), lhs_contracting_dims={1}, rhs_contracting_dims={1}
}"""
    calls = [f"%y{i} = f32[2,2]{{1,0}} call(%p), to_apply=%product" for i in range(2)]
    parameter = "%p = f32[2,3]{1,0} parameter(0)"
    assert len(multiplies(program(parameter, computations=dot))) == 0
    assert len(multiplies(program(parameter, *calls, computations=dot))) == 2


def test_a_conditional_with_multiplies_is_refused() -> None:
    branch = """%branch (a: f32[2,2]) -> f32[2,2] {
  %a = f32[2,2]{1,0} parameter(0)
  ROOT %d = f32[2,2]{1,0} dot(%a, %a), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}"""
    line = "%y = f32[2,2]{1,0} conditional(%i, %p, %p), branch_computations={%branch, %branch}"
    with pytest.raises(ValueError, match="branch"):
        multiplies(program(line, computations=branch))


@pytest.mark.parametrize("left", ["%left", "f32[2,3,5,4]{3,2,1,0} %left", "f32[2,3,5,4]{3,2,1,0:T(8,128)} %left"])
def test_a_batched_dot_counts_once_with_batch_and_inner_dimensions(left: str) -> None:
    # tensorflow's gradient of an attention's scores; some versions print the operands' shapes.
    text = program(
        "%left = f32[2,3,5,4]{3,2,1,0} parameter(0)",
        "%right = f32[2,3,4,7]{3,2,1,0:T(8,128)} parameter(1)",
        f"%dot = f32[2,3,5,7]{{3,2,1,0}} dot({left}, %right), lhs_batch_dims={{0,1}}, lhs_contracting_dims={{3}}, "
        'rhs_batch_dims={0,1}, rhs_contracting_dims={2}, frontend_attributes={grad_x="false"}',
    )
    assert multiplies(text) == [Multiply("dot", 2 * 2 * 3 * 5 * 7 * 4)]


def test_a_depthwise_convolution_sees_one_channel_per_output() -> None:
    assert convolution("2,5,5,8", "3,3,1,8", "2,5,5,8", "size=3x3 pad=1_1x1_1") == 2 * (2 * 5 * 5 * 8) * 9


def test_a_dx_of_an_unpadded_convolution_has_the_work_of_its_forward() -> None:
    # Forward: [2, 9, 9, 4] to [2, 7, 7, 6]; dX pads the gradient by 2 on each side, which is no work of the layer.
    reverse = (
        "%r = f32[3,3,6,4] reverse(%right), dimensions={0,1}",
        "%l = f32[2,7,7,6] copy(%left)",
    )
    work = 2 * (2 * 7 * 7 * 6) * 9 * 4
    assert convolution("2,7,7,6", "3,3,6,4", "2,9,9,4", "size=3x3 pad=2_2x2_2", reverse) == work


def test_an_image_reversed_one_axis_at_a_time_is_reversed() -> None:
    """XLA writes U-Net's kernels so, in bf16. The same without stride, where the reversal alone tells."""
    step = "%rev.1 = f32[3,3,4,6] reverse(%param_0.2), dimensions={0}\n  %rev.0 ="
    plain = STRIDED.replace(" lhs_dilate=2x2", "")
    in_steps = plain.replace("%rev.0 =", step).replace(
        "reverse(%param_0.2), dimensions={0,1}", "reverse(%rev.1), dimensions={1}"
    )
    assert multiplies(in_steps) == multiplies(plain) == multiplies(STRIDED)


def test_a_strided_dx_of_a_kernel_of_one_pixel_does_not_count_the_holes() -> None:
    # Nothing is reversed here: only the dilation tells.
    work = 2 * (2 * 5 * 5 * 6) * 4
    assert convolution("2,5,5,6", "1,1,6,4", "2,9,9,4", "size=1x1 lhs_dilate=2x2") == work


def test_swapped_operands_change_nothing() -> None:
    # dW as tensorflow prints it: the gradient [6, 6] reversed, the image [6, 5] as window, the kernel [3, 2].
    reverse = (
        "%l = f32[2,6,6,3] reverse(%left), dimensions={1,2}",
        "%r = f32[6,5,3,2] bitcast(%right)",
    )
    swapped = "size=6x5 pad=1_1x0_0 rhs_reversal=1x1"
    assert convolution("2,6,6,3", "6,5,3,2", "2,3,2,2", swapped, reverse) == 2 * 2 * 2 * 3 * (6 * 6) * (3 * 2)
    # dX: the kernel [7, 7] reversed twice, the gradient [5, 5] as dilated window, the image [9, 9].
    fusion = """%fused (a: f32[2,7,7,3]) -> f32[2,7,7,3] {
  %a = f32[2,7,7,3]{3,2,1,0} parameter(0)
  %once = f32[2,7,7,3]{3,2,1,0} reverse(%a), dimensions={1,2}
  ROOT %twice = f32[2,7,7,3]{3,2,1,0} reverse(%once), dimensions={1,2}
}"""
    twice = (
        "%l = f32[2,7,7,3] fusion(%left), kind=kLoop, calls=%fused",
        "%r = f32[5,5,3,1] bitcast(%right)",
    )
    swapped = "size=5x5 pad=5_5x5_5 rhs_dilate=2x2 rhs_reversal=1x1"
    assert convolution("2,7,7,3", "5,5,3,1", "2,9,9,1", swapped, twice, fusion) == 2 * 2 * 3 * (7 * 7) * (5 * 5)


def test_text_that_is_no_module_is_refused() -> None:
    with pytest.raises(ValueError, match="ENTRY"):
        multiplies("HloModule jit_f")


def test_a_dw_that_is_computed_in_mirror_writing_is_no_dx() -> None:
    # Of a transposed convolution, as jax prints it: gradient [10, 10] and image [8, 8] reversed, and the kernel after.
    mirrored = program(
        "%left = f32[2,10,10,4] parameter(0)",
        "%right = f32[8,8,4,3] parameter(1)",
        "%l = f32[2,10,10,4] reverse(%left), dimensions={1,2}",
        "%c = f32[2,3,3,3] convolution(%l, %right), window={size=8x8 rhs_reversal=1x1}, dim_labels=b01f_01io->b01f",
        "%moved = f32[3,3,2,3] transpose(%c), dimensions={1,2,0,3}",
        "ROOT %r = f32[3,3,2,3] reverse(%moved), dimensions={0,1}",
    )
    (found,) = multiplies(mirrored)
    assert found.flops == 2 * 2 * 4 * 3 * (8 * 8) * (3 * 3)


def test_a_grouped_dw_whose_groups_stand_on_an_axis_of_their_own_counts_all_pairs_of_groups() -> None:
    # As jax prints it for two groups of two channels: gradient and image [8, 8], kernel [3, 3], the groups dilated.
    text = program(
        "%left = f32[2,8,8,2,3] parameter(0)",
        "%right = f32[8,8,2,3,2] parameter(1)",
        "ROOT %c = f32[2,3,3,2,2] convolution(%left, %right), "
        "window={size=8x8x2 pad=1_1x1_1x0_0 lhs_dilate=1x1x2}, dim_labels=b012f_012io->b012f",
    )
    (found,) = multiplies(text)
    assert found.flops == 2 * (2 * 3 * (8 * 8) * (3 * 3) * 2 * 2) * 2
