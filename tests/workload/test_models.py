"""The three models: what they are made of, what they cost, and every refusal of a size that cannot be built."""

from __future__ import annotations

from itertools import pairwise

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
        ("mlp", {}, 6 * (512 * 512 + 512)),
    ],
)
def test_published_parameter_counts(name, given_sizes, count):
    assert trace(build(name, given_sizes)).parameter_count == count


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_mlp_parameters_by_formula(depth, width, inputs, classes):
    widths = [inputs, *[width] * (depth - 1), classes]
    expected = sum(a * b + b for a, b in pairwise(widths))
    given_sizes = {"batch": 2, "depth": depth, "width": width, "inputs": inputs, "classes": classes}
    assert trace(build("mlp", given_sizes)).parameter_count == expected


@pytest.mark.parametrize("depth", [1, 2, 3, 6, 40])
def test_a_vanilla_network_multiplies_l_times_forward_and_2l_minus_1_backward(depth):
    model = build("mlp", {"batch": 4, "depth": depth, "width": 8})
    table = cost(trace(model))
    assert (table.forward.matmuls, table.backward.matmuls) == (depth, 2 * depth - 1)
    assert table.flops_ratio == pytest.approx((2 * depth - 1) / depth)
    assert (table.dx.matmuls, table.dw.matmuls) == (depth - 1, depth)


@pytest.mark.parametrize("depth", [1, 2, 6])
def test_it_is_exactly_two_when_the_inputs_want_a_gradient_too(depth):
    table = cost(trace(build("mlp", {"batch": 4, "depth": depth, "width": 8}), gradients="both"))
    assert (table.backward.matmuls, table.flops_ratio) == (2 * depth, 2.0)


def test_resnet18_multiplies_21_times_forward_and_41_backward():
    """20 convolutions (3 of them shortcuts) and the head; the stem needs no gradient for the image."""
    table = cost(trace(build("resnet18", {"batch": 2, "image": 64})))
    assert (table.forward.matmuls, table.backward.matmuls) == (21, 41)


def test_resnet18_has_the_published_multiply_adds():
    """1.81 G multiply-adds for one image of 224 (torchvision's table: 1.81 GFLOPS)."""
    table = cost(trace(build("resnet18", {"batch": 1, "image": 224})))
    assert table.forward.flops / 2 == pytest.approx(1.814e9, rel=1e-3)


def test_gpt2_multiplies_6_times_a_block_and_once_for_the_logits():
    table = cost(trace(build("gpt2", {"batch": 1, "tokens": 8, "layers": 3})))
    assert (table.forward.matmuls, table.backward.matmuls) == (6 * 3 + 1, 2 * (6 * 3 + 1))


REFUSED = (
    ("vgg", {}, "model.name='vgg'"),
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
)


@pytest.mark.parametrize(("name", "wrong", "said"), REFUSED)
def test_a_size_that_cannot_be_built_is_refused_by_name_and_value(name, wrong, said):
    with pytest.raises(WorkloadError) as refusal:
        build(name, wrong)
    assert said in str(refusal.value)


def test_an_image_too_small_for_the_windows_still_ends_in_a_sentence():
    """The stem's window of 7 fits an image of 1 with its padding, so even that is a network."""
    assert trace(build("resnet18", {"batch": 1, "image": 1, "classes": 2})).specs


@pytest.mark.parametrize("name", MODELS)
@given(value=st.one_of(st.integers(max_value=0), st.floats(), st.text(), st.booleans(), st.lists(st.integers())))
def test_every_size_of_every_model_refuses_what_is_not_a_whole_number_above_zero(name, value):
    for size in sizes(MODELS[name]()):
        with pytest.raises(WorkloadError, match=size):
            build(name, {size: value})


@pytest.mark.parametrize("name", MODELS)
def test_sizes_are_what_a_model_is_built_from(name):
    model = MODELS[name]()
    assert build(name, {k: v for k, v in sizes(model).items() if v is not None}) == model


def test_batch_norm_in_inference_mode_is_given_its_statistics():
    sizes = {"batch": 1, "image": 33}
    training = trace(build("resnet18", sizes))
    inference = trace(build("resnet18", sizes | {"batch_norm": "inference"}), "both")
    assert inference.params.keys() == training.params.keys()
    assert inference.sources.keys() == {*training.params, "x"}
    assert len(inference.inputs) == len(training.inputs) + 2 * 20
    with pytest.raises(WorkloadError, match="batch_norm=frozen"):
        build("resnet18", sizes | {"batch_norm": "frozen"})
