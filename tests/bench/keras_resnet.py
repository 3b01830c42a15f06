"""ResNet-18 in Keras 3 against the adapters, interleaved in one process: `python -m tests.bench.keras_resnet BACKEND`.

Both sides compute loss and all gradients from the same arrays, checked against the oracle first. Keras is used
without its state updates (`stateless_call`), so that neither side updates running averages.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.measure import machine, stats
from harness.workload.agreement import agreement
from harness.workload.reference import reference
from harness.workload.workload import Workload

SIZES = {"batch": 4, "image": 128}
EXECUTIONS = {"torch": ("eager",), "jax": ("jit",), "tensorflow": ("graph", "xla")}
PAIRS = 40
LIMIT = 0.9


def keras_model(first: bool) -> tuple[Any, list[str]]:
    """The same network as `harness.workload.models.resnet`, and the names of its weights in Keras's order."""
    import keras
    from keras import layers

    keras.backend.set_image_data_format("channels_first" if first else "channels_last")
    axis = 1 if first else -1
    names: list[str] = []

    def conv_norm(x: Any, name: str, channels: int, kernel: int, stride: int = 1) -> Any:
        if kernel > 1:
            x = layers.ZeroPadding2D(kernel // 2)(x)
        x = layers.Conv2D(channels, kernel, stride, use_bias=False, name=f"{name}.conv".replace(".", "_"))(x)
        return layers.BatchNormalization(axis, epsilon=1e-5, name=f"{name}.norm".replace(".", "_"))(x)

    def block(x: Any, name: str, channels: int, stride: int) -> Any:
        h = layers.ReLU()(conv_norm(x, f"{name}.a", channels, 3, stride))
        h = conv_norm(h, f"{name}.b", channels, 3)
        if stride != 1 or x.shape[axis] != channels:
            x = conv_norm(x, f"{name}.shortcut", channels, 1, stride)
        return layers.ReLU()(layers.Add()([h, x]))

    size = SIZES["image"]
    inputs = keras.Input((3, size, size) if first else (size, size, 3))
    x = layers.ReLU()(conv_norm(inputs, "stem", 64, 7, 2))
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    for stage, channels in enumerate((64, 128, 256, 512), start=1):
        for number in (1, 2):
            x = block(x, f"stage{stage}.block{number}", channels, 2 if stage > 1 and number == 1 else 1)
    x = layers.Dense(1000, name="head")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, x)
    ends = {"kernel": "conv", "gamma": "scale", "beta": "shift"}
    for weight in model.trainable_variables:
        layer, end = weight.path.rsplit("/", 1)
        if layer == "head":
            names.append({"kernel": "head.w", "bias": "head.b"}[end])
        else:
            names.append(f"{layer.rsplit('_', 1)[0].replace('_', '.')}.{ends[end]}")
    return model, names


def keras_gradient(backend: str, arrays: dict[str, np.ndarray], first: bool, compiled: bool) -> Callable[[], Any]:
    """A function that returns (loss, gradients by name), as a Keras user would get them."""
    import keras

    model, names = keras_model(first)
    for name, weight in zip(names, model.trainable_variables, strict=True):
        weight.assign(arrays[name])
    images = np.ascontiguousarray(arrays["x"].transpose(0, 3, 1, 2)) if first else np.array(arrays["x"])
    x, y = keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(np.array(arrays["labels"]))
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fixed = [v.value for v in model.non_trainable_variables]

    def loss(weights: Any) -> Any:
        return criterion(y, model.stateless_call(weights, fixed, x, training=True)[0])

    weights = [v.value for v in model.trainable_variables]
    if backend == "jax":
        import jax

        step = jax.jit(jax.value_and_grad(loss))
        return lambda: _named(step(weights), names)
    if backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(w) for w in weights]

        @tf.function(jit_compile=compiled, autograph=False)
        def both(tensors: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                value = loss(tensors)
            return value, tape.gradient(value, tensors)

        return lambda: _named(both(tensors), names)
    import torch

    leaves = [w.detach().requires_grad_() for w in weights]

    def eager() -> Any:
        value = loss(leaves)
        return value.detach(), torch.autograd.grad(value, leaves)

    return lambda: _named(eager(), names)


def _named(result: Any, names: list[str]) -> Any:
    return result[0], dict(zip(names, result[1], strict=True))


def compare(backend: str, execution: str, first: bool) -> tuple[float, float]:
    """Time of the adapter's `gradient` over Keras's, as a ratio and its half-width within this process."""
    import importlib

    workload = Workload.of("resnet18", SIZES)
    arrays = workload.sample()
    adapter = importlib.import_module(f"adapters.{backend}").Adapter("cpu", len(machine.cpus()), "fp32")
    program = adapter.load(workload.graph, arrays, execution)
    theirs = keras_gradient(backend, arrays, first, compiled=execution == "xla")
    expected = reference(workload.graph, arrays)
    for loss, gradients in ((program.gradient()[0], program.export(program.gradient()[1])), _numpy(theirs())):
        failure = agreement([float(loss)], [gradients], expected).failure("fp32")
        if failure:
            sys.exit(f"{backend} {execution}: not the same work: {failure}")

    def seconds(call: Callable[[], Any]) -> float:
        start = time.perf_counter()
        adapter.wait(call())
        return time.perf_counter() - start

    for _ in range(5):
        seconds(program.gradient), seconds(theirs)
    ours_s, theirs_s = [], []
    for i in range(PAIRS):
        order = [(ours_s, program.gradient), (theirs_s, theirs)]
        for times, call in order if i % 2 else order[::-1]:
            times.append(seconds(call))
    found = stats.within(stats.log_ratio(ours_s, theirs_s))
    return math.exp(found.centre), found.half_width()


def _numpy(result: Any) -> Any:
    import keras

    return float(result[0]), {name: keras.ops.convert_to_numpy(g) for name, g in result[1].items()}


def main(backend: str) -> int:
    """A line for each execution; 1 if an adapter takes more than LIMIT of Keras's time."""
    os.environ["KERAS_BACKEND"] = backend
    good = True
    for execution in EXECUTIONS[backend]:
        for first in (False, True) if backend == "torch" else (False,):
            ratio, width = compare(backend, execution, first)
            layout = "channels_first" if first else "channels_last"
            good &= ratio <= LIMIT
            print(f"resnet18 gradient, {backend} {execution} / Keras ({layout}): {ratio:.2f} ± {width:.2f}", flush=True)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
