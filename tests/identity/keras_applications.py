"""VGG-16, ResNet-50 and MobileNetV2 against those of Keras.

Where the two differ, ours is built as Keras has it: a ResNet-50 halves its images in 1x1 convolutions
(`stride_in_1x1`); MobileNetV2's asymmetric padding is symmetric where the image is odd at every stride. What does not
change the result stays: Keras's ResNet-50 has biases before batch norms, which take them out again. Two attributes are
set to ours: the width of VGG-16's linear layers, and the epsilon of batch norms, which torchvision has as 1e-5.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's own setting: a process has one backend

import keras
import tensorflow as tf

from harness.workload.models import VGG16, MobileNetV2, ResNet50
from tests.helpers.executions import adapter_of
from tests.identity.arrays import Answer, Arrays

adapter_of("tensorflow")  # TensorFlow's first op fixes its threads for every later test of this process

APPLICATIONS: dict[type, Callable[..., keras.Model]] = {
    VGG16: keras.applications.VGG16,
    ResNet50: keras.applications.ResNet50,
    MobileNetV2: keras.applications.MobileNetV2,
}
EPS = 1e-5
ENDS = {"conv": "kernel", "w": "kernel", "b": "bias", "scale": "gamma", "shift": "beta"}


def vgg16_layer(name: str, end: str) -> str:
    if name.startswith("hidden"):
        return f"fc{name[-1]}"
    return re.sub(r"stage(\d)\.conv(\d)", r"block\1_conv\2", name)


def resnet50_layer(name: str, end: str) -> str:
    kind = "conv" if end == "conv" else "bn"
    if name == "stem":
        return f"conv1_{kind}"
    place = re.fullmatch(r"stage(\d)\.block(\d)\.(\w+)", name)
    assert place is not None, name
    stage, block, part = place.groups()
    return f"conv{int(stage) + 1}_block{block}_{('shortcut', 'a', 'b', 'c').index(part)}_{kind}"


def mobilenet_v2_layer(name: str, end: str) -> str:
    if name == "stem":
        return "Conv1" if end == "conv" else "bn_Conv1"
    if name == "last":
        return "Conv_1" if end == "conv" else "Conv_1_bn"
    place = re.fullmatch(r"block(\d+)\.(\w+)", name)
    assert place is not None, name
    block, part = place.groups()
    prefix = "expanded_conv" if block == "1" else f"block_{int(block) - 1}"
    return f"{prefix}_{part}" + ("" if end == "conv" else "_BN")


LAYERS = {VGG16: vgg16_layer, ResNet50: resnet50_layer, MobileNetV2: mobilenet_v2_layer}


def named(ours: VGG16 | ResNet50 | MobileNetV2, weights: Arrays) -> Arrays:
    found = {}
    for path, weight in weights.items():
        name, end = path.rsplit(".", 1)
        layer = "predictions" if name == "head" else LAYERS[type(ours)](name, end)
        # A depthwise weight is [kh, kw, channels, 1] there and [kh, kw, 1, channels] here.
        depthwise = name.endswith(".depthwise") and end == "conv"
        found[f"{layer}/{ENDS[end]}"] = weight.transpose(0, 1, 3, 2) if depthwise else weight
    return found


@contextmanager
def float64() -> Iterator[None]:
    """Keras in float64, for as long as it takes."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def adjusted(ours: VGG16 | ResNet50 | MobileNetV2, layer: keras.Layer) -> keras.Layer:
    """A layer of the same kind and settings, but for our epsilon and width."""
    settings = layer.get_config()
    if isinstance(layer, keras.layers.BatchNormalization):
        settings["epsilon"] = EPS
    if layer.name in ("fc1", "fc2"):
        assert isinstance(ours, VGG16)
        settings["units"] = ours.hidden
    return type(layer).from_config(settings)


def answer(ours: VGG16 | ResNet50 | MobileNetV2, weights: Arrays, batch: Arrays) -> Answer:
    with float64():
        application = APPLICATIONS[type(ours)](
            weights=None, input_shape=batch["x"].shape[1:], classes=ours.classes, classifier_activation=None
        )
        model = keras.models.clone_model(application, clone_function=lambda layer: adjusted(ours, layer))
        criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        carried, idle = named(ours, weights), []
        variables = {weight.path: weight for weight in model.trainable_variables}
        for path, weight in variables.items():
            if path in carried:
                weight.assign(carried[path])
            else:
                idle.append(path)
        with tf.GradientTape() as tape:
            loss = criterion(batch["labels"], model(batch["x"].astype(np.float64), training=True))
        found = tape.gradient(loss, {path: weight.value for path, weight in variables.items()})
    gradients = {path: gradient.numpy() for path, gradient in found.items()}
    total = np.linalg.norm([np.linalg.norm(gradient) for gradient in gradients.values()])
    for path in idle:
        assert path.endswith("_conv/bias"), path
        assert np.linalg.norm(gradients.pop(path)) < 1e-12 * total, path
    return float(loss), gradients
