"""The models: what they are made of, what they cost, and every refusal of a size that cannot be built."""

from __future__ import annotations

import typing
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workload.cost import cost
from harness.workload.models import MODELS, build, sizes
from harness.workload.ops import WorkloadError
from harness.workload.trace import trace


@pytest.mark.parametrize(
    ("name", "given_sizes", "count"),
    [
        ("resnet18", {"image": 64}, 11_689_512),
        ("gpt2", {"tokens": 16}, 124_439_808),
        ("gpt2", {"tokens": 16, "layers": 24, "width": 1024, "heads": 16}, 354_823_168),
        ("gpt2", {"tokens": 16, "layers": 36, "width": 1280, "heads": 20}, 774_030_080),
        ("gpt2", {"tokens": 16, "layers": 48, "width": 1600, "heads": 25}, 1_557_611_200),
        ("vit", {"width": 192, "heads": 3}, 5_717_416),
        ("vit", {}, 86_567_656),
        ("bert", {"tokens": 16}, 109_482_240 + 2 * 769),
        ("bert", {"tokens": 16, "dropout": 0.1, "classes": 3}, 109_482_240 + 3 * 769),
        ("llama", {"tokens": 16}, 1_100_048_384),
        ("mixer", {}, 59_880_472),
        ("lstm", {}, 2 * 10_000 * 650 + 10_000 + 2 * (2 * 650 * 2600 + 2600)),  # published as "20M"
        ("gru", {}, 2 * 10_000 * 650 + 10_000 + 2 * (2 * 650 * 1950 + 2 * 1950)),
        ("mlp", {}, 6 * (512 * 512 + 512)),
        ("alexnet", {}, 61_100_840),
        ("vgg16", {}, 138_357_544),
        ("resnet34", {"image": 64}, 21_797_672),
        ("resnet50", {"image": 64}, 25_557_032),
        ("resnet50", {"image": 64, "stride_in_1x1": True}, 25_557_032),
        ("mobilenet_v2", {"image": 64}, 3_504_872),
        ("convnext", {"image": 64}, 28_589_128),
        ("unet", {"image": 64}, 31_030_658),
        # The study gives widths, from which these follow.
        ("linear_net", {}, 150_528 * 4096 + 4096 * 128 + 128 * 10),
        ("one_net", {}, 4096 + 4096 * 128 + 128 * 10),
        ("conv_net", {"image": 64}, 49 * 3 * 32 + 49 * 32 * 64 + 64 * 10),
        ("deeper_conv_net", {"image": 64}, 49 * 3 * 32 + 9 * 32 * 32 + 49 * 32 * 64 + 64 * 10),
    ],
)
def test_published_parameter_counts(name: str, given_sizes: dict[str, Any], count: int) -> None:
    assert trace(build(name, given_sizes)).parameter_count == count


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_mlp_parameters_by_formula(depth: int, width: int, inputs: int, classes: int) -> None:
    widths = [inputs, *[width] * (depth - 1), classes]
    expected = sum(a * b + b for a, b in pairwise(widths))
    given_sizes = {"batch": 2, "depth": depth, "width": width, "inputs": inputs, "classes": classes}
    assert trace(build("mlp", given_sizes)).parameter_count == expected


@pytest.mark.parametrize("depth", [1, 2, 3, 6, 40])
def test_a_vanilla_network_multiplies_l_times_forward_and_2l_minus_1_backward(depth: int) -> None:
    model = build("mlp", {"batch": 4, "depth": depth, "width": 8})
    table = cost(trace(model))
    assert (table.forward.matmuls, table.backward.matmuls) == (depth, 2 * depth - 1)
    assert table.flops_ratio == pytest.approx((2 * depth - 1) / depth)
    assert (table.dx.matmuls, table.dw.matmuls) == (depth - 1, depth)


@pytest.mark.parametrize("depth", [1, 2, 6])
def test_it_is_exactly_two_when_the_inputs_want_a_gradient_too(depth: int) -> None:
    table = cost(trace(build("mlp", {"batch": 4, "depth": depth, "width": 8}), gradients="both"))
    assert (table.backward.matmuls, table.flops_ratio) == (2 * depth, 2.0)


def test_resnet18_multiplies_21_times_forward_and_41_backward() -> None:
    """20 convolutions (3 of them shortcuts) and the head; the stem needs no gradient for the image."""
    table = cost(trace(build("resnet18", {"batch": 2, "image": 64})))
    assert (table.forward.matmuls, table.backward.matmuls) == (21, 41)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("alexnet", 0.71),
        ("vgg16", 15.47),
        ("resnet18", 1.81),
        ("resnet34", 3.66),
        ("resnet50", 4.09),
        ("mobilenet_v2", 0.30),
        ("convnext", 4.46),
    ],
)
def test_multiply_adds_of_one_image_are_those_of_torchvisions_table(name: str, published: float) -> None:
    """In billions; the table calls them GFLOPS."""
    table = cost(trace(build(name, {"batch": 1, "image": 224})))
    assert table.forward.flops / 2e9 == pytest.approx(published, abs=0.0051)


def test_to_halve_the_image_in_a_1x1_convolution_is_less_work() -> None:
    """3.86 G multiply-adds (He et al. 2016, table 1: 3.8 G)."""
    table = cost(trace(build("resnet50", {"batch": 1, "image": 224, "stride_in_1x1": True})))
    assert table.forward.flops / 2e9 == pytest.approx(3.86, abs=0.01)


def test_the_flop_study_s_extremes() -> None:
    """Nearly all work in the first layer, which needs no dX: a ratio of 1; next to none of it there: 2."""
    assert cost(trace(build("linear_net", {}))).flops_ratio == pytest.approx(1, abs=0.001)
    assert cost(trace(build("one_net", {}))).flops_ratio == pytest.approx(2, abs=0.01)


def test_a_shared_convolution_counts_each_time() -> None:
    shallow, deep = (cost(trace(build("deeper_conv_net", {"image": 64, "depth": n}))) for n in (1, 101))
    assert deep.forward.matmuls - shallow.forward.matmuls == 100
    assert shallow.flops_ratio < 1.9 < 1.99 < deep.flops_ratio < 2


def test_gpt2_multiplies_6_times_a_block_and_once_for_the_logits() -> None:
    table = cost(trace(build("gpt2", {"batch": 1, "tokens": 8, "layers": 3})))
    assert (table.forward.matmuls, table.backward.matmuls) == (6 * 3 + 1, 2 * (6 * 3 + 1))


REFUSED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("perceptron", {}, "model.name='perceptron'"),
    ("", {}, "model.name=''"),
    ("mlp", {"layers": 3}, "model.layers"),
    ("mlp", {"depth": 0}, "model.depth=0"),
    ("mlp", {"width": -8}, "model.width=-8"),
    ("mlp", {"inputs": 0}, "model.inputs=0"),
    ("mlp", {"batch": 2.5}, "model.batch=2.5"),
    ("mlp", {"batch": "4"}, "model.batch='4'"),
    ("mlp", {"batch": True}, "model.batch=True"),
    ("mlp", {"inputs": True}, "model.inputs=True"),
    ("mlp", {"batch": None}, "model.batch=None"),
    ("mlp", {"batch": [4]}, "model.batch=[4]"),
    ("gpt2", {"width": 10, "heads": 3}, "model.heads=3"),
    ("gpt2", {"tokens": 9, "context": 8}, "model.tokens=9"),
    ("vit", {"width": 10, "heads": 3}, "model.heads=3"),
    ("vit", {"image": 40}, "model.patch=16"),
    ("bert", {"width": 10, "heads": 3}, "model.heads=3"),
    ("bert", {"tokens": 9, "context": 8}, "model.tokens=9"),
    ("bert", {"dropout": 1.0}, "model.dropout=1.0"),
    ("bert", {"dropout": float("nan")}, "model.dropout=nan"),
    ("bert", {"dropout": "much"}, "model.dropout='much'"),
    ("llama", {"heads": 24}, "model.heads=24"),
    ("llama", {"kv_heads": 5}, "model.kv_heads=5"),
    ("llama", {"width": 96, "heads": 32}, "model.heads=32"),
    ("mixer", {"image": 40}, "model.patch=16"),
    ("lstm", {"loop": "endless"}, "model.loop='endless'"),
    ("gru", {"loop": 3}, "model.loop=3"),
    ("gru", {"loop": "unrolled", "tokens": 1}, "model.tokens=1"),
    ("attention", {"heads": 7}, "model.heads=7"),
    ("attention", {"kv_heads": 3}, "model.kv_heads=3"),
    ("attention", {"causal": 1}, "model.causal=1"),
    ("alexnet", {"image": 62}, "model.image=62"),
    ("vgg16", {"image": 31}, "model.image=31"),
    ("convnext", {"image": 31}, "model.image=31"),
    ("unet", {"image": 40}, "model.image=40"),
    ("resnet50", {"stride_in_1x1": 1}, "model.stride_in_1x1=1"),
    ("resnet50", {"blocks": 3}, "model.blocks"),
)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_loop_and_its_unrolled_cells_cost_the_same_flops(name: str) -> None:
    """One multiply for the inputs of all steps, or one for each: the same products."""
    loop, cells = (
        cost(trace(build(name, {"batch": 2, "tokens": 5, "width": 8, "vocabulary": 11, "loop": loop})))
        for loop in ("native", "unrolled")
    )
    assert (loop.forward.flops, loop.backward.flops) == (cells.forward.flops, cells.backward.flops)
    assert loop.forward.matmuls < cells.forward.matmuls


def test_bert_drops_nothing_unless_asked() -> None:
    assert not any(call.op == "dropout" for call in trace(build("bert", {"layers": 1})).calls)
    dropped = trace(build("bert", {"layers": 2, "dropout": 0.1}))
    assert sum(call.op == "dropout" for call in dropped.calls) == 5


@pytest.mark.parametrize(("name", "wrong", "said"), REFUSED)
def test_a_size_that_cannot_be_built_is_refused_by_name_and_value(name: str, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkloadError) as refusal:
        build(name, wrong)
    assert said in str(refusal.value)


def test_an_image_too_small_for_the_windows_still_ends_in_a_sentence() -> None:
    """The stem's window of 7 fits an image of 1 with its padding, so even that is a network."""
    assert trace(build("resnet18", {"batch": 1, "image": 1, "classes": 2})).specs


@pytest.mark.parametrize("name", MODELS)
@given(value=st.one_of(st.integers(max_value=0), st.floats(), st.text(), st.booleans(), st.lists(st.integers())))
def test_every_size_of_every_model_refuses_what_is_not_a_whole_number_above_zero(name: str, value: Any) -> None:
    kinds = typing.get_type_hints(MODELS[name])
    for size in (size for size in sizes(MODELS[name]()) if int in (kinds[size], *typing.get_args(kinds[size]))):
        with pytest.raises(WorkloadError, match=size):
            build(name, {size: value})


@pytest.mark.parametrize("name", MODELS)
def test_sizes_are_what_a_model_is_built_from(name: str) -> None:
    model = MODELS[name]()
    assert build(name, {k: v for k, v in sizes(model).items() if v is not None}) == model


def test_batch_norm_in_inference_mode_is_given_its_statistics() -> None:
    sizes = {"batch": 1, "image": 33}
    training = trace(build("resnet18", sizes))
    inference = trace(build("resnet18", sizes | {"batch_norm": "inference"}), "both")
    assert inference.params.keys() == training.params.keys()
    assert inference.sources.keys() == {*training.params, "x"}
    assert len(inference.inputs) == len(training.inputs) + 2 * 20
    with pytest.raises(WorkloadError, match="batch_norm=frozen"):
        build("resnet18", sizes | {"batch_norm": "frozen"})
