"""Our models against those of Keras, which nobody here wrote: same weights, loss and every gradient.

Where the two differ, ours is built as Keras has it: a ResNet-50 halves its images in 1x1 convolutions
(`stride_in_1x1`); MobileNetV2's asymmetric padding is symmetric where the image is odd at every stride. What does not
change the result stays: Keras's ResNet-50 has biases before batch norms, which take them out again (their gradient is
zero), and norms with another epsilon, which is an attribute and is set to ours.
"""

from __future__ import annotations

import math
import os
import re

import numpy as np
import pytest

os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's own setting: a process has one backend

import keras
import tensorflow as tf

from harness.workload.agreement import agreement
from harness.workload.models.images import EPS
from harness.workload.reference import reference
from harness.workload.workload import Workload

IMAGE, CLASSES = 65, 10  # 65, 33, 17, 9, 5: odd at every stride
WORKLOADS = {
    "resnet50": Workload.of("resnet50", {"batch": 4, "image": IMAGE, "classes": CLASSES, "stride_in_1x1": True}),
    "mobilenet_v2": Workload.of("mobilenet_v2", {"batch": 4, "image": IMAGE, "classes": CLASSES}),
}
APPLICATIONS = {"resnet50": keras.applications.ResNet50, "mobilenet_v2": keras.applications.MobileNetV2}
ENDS = {"kernel": "conv", "gamma": "scale", "beta": "shift"}
HEAD = {"kernel": "head.w", "bias": "head.b"}


def our_name(name: str, path: str) -> str | None:
    """Our name of a Keras weight; None for a bias before a batch norm."""
    layer, end = path.split("/")
    if layer == "predictions":
        return HEAD[end]
    if end == "bias":
        return None
    return f"{LAYERS[name](layer)}.{ENDS[end]}"


def resnet50_layer(layer: str) -> str:
    if layer.startswith("conv1_"):
        return "stem"
    stage, block, part = re.fullmatch(r"conv(\d)_block(\d)_(\d)_(?:conv|bn)", layer).groups()
    return f"stage{int(stage) - 1}.block{block}.{('shortcut', 'a', 'b', 'c')[int(part)]}"


def mobilenet_v2_layer(layer: str) -> str:
    if layer in ("Conv1", "bn_Conv1"):
        return "stem"
    if layer in ("Conv_1", "Conv_1_bn"):
        return "last"
    block, part = re.fullmatch(r"(?:expanded_conv|block_(\d+))_(expand|depthwise|project)(?:_BN)?", layer).groups()
    return f"block{int(block or 0) + 1}.{part}"


LAYERS = {"resnet50": resnet50_layer, "mobilenet_v2": mobilenet_v2_layer}


def as_keras(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A depthwise weight is [kh, kw, channels, 1] there and [kh, kw, 1, channels] here."""
    return array if array.shape == shape else array.transpose(0, 1, 3, 2)


def keras_answer(name: str, arrays: dict[str, np.ndarray]):
    """Loss, gradients by our names, and the gradients of biases before batch norms."""
    model = APPLICATIONS[name](weights=None, input_shape=(IMAGE, IMAGE, 3), classes=CLASSES, classifier_activation=None)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = EPS
    names = [our_name(name, weight.path) for weight in model.trainable_variables]
    for ours, weight in zip(names, model.trainable_variables, strict=True):
        if ours is not None:
            weight.assign(as_keras(arrays[ours], weight.shape))
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    weights = [weight.value for weight in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = criterion(arrays["labels"], model(arrays["x"], training=True))
    pairs = [(n, g.numpy()) for n, g in zip(names, tape.gradient(loss, weights), strict=True)]
    return float(loss), {n: g for n, g in pairs if n is not None}, [g for n, g in pairs if n is None]


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKLOADS)
def test_loss_and_every_gradient_are_those_of_the_same_network_in_keras(name):
    workload = WORKLOADS[name]
    arrays = workload.sample()
    expected = reference(workload.graph, arrays)
    loss, gradients, of_idle_biases = keras_answer(name, arrays)
    back = {n: as_keras(g, expected.gradients[n].shape) for n, g in gradients.items()}
    found = agreement([loss], [back], expected)
    print(f"loss off by {found.loss:.1e}, worst gradient {found.worst[0]} by {found.worst[1]:.1e}")
    assert found.failure("fp32") is None
    total = np.linalg.norm([np.linalg.norm(g) for g in gradients.values()])
    assert all(np.linalg.norm(g) < 1e-5 * total for g in of_idle_biases)


@pytest.mark.parametrize("name", WORKLOADS)
def test_keras_trains_as_many_parameters_apart_from_idle_biases(name):
    model = APPLICATIONS[name](weights=None)
    ours = Workload.of(name, {"image": 64}).graph.parameter_count
    assert ours == sum(math.prod(w.shape) for w in model.trainable_variables if our_name(name, w.path) is not None)
