"""What neural-cost predicts of forward passes: `python -m tests.bench.neural_cost_forward FRAMEWORK THREADS FOLDER...`.

Each folder has the description of a workload. Prints a JSON list with an object for each: seconds by name of
prediction ("zero-shot", "replay" and "bound"), or why there are none ("refused"). It calibrates itself once.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.measure.machine.resources import cpus
from harness.workload.interpret import interpreter
from harness.workload.workload import Workload, read_workload

Predict = Callable[[Workload], Any]  # a neural_cost.ValidationCase, of which what was measured is not used
UNUSED_S = 1.0


def torch_predictor(hardware: Any) -> Predict:
    """As its own validation does it, of torch's layers with our arrays: it sees calls of layers, and attention."""
    from neural_cost.adapters.torch import TorchAdapter
    from neural_cost.validation import ValidationCase

    from tests.parity.torch_nn import module_of

    adapter = TorchAdapter()
    calibration = adapter.calibrate()

    def predict(workload: Workload) -> Any:
        module = module_of(workload.graph, workload.sample())
        operations, kernels = adapter.operations(module, ()), adapter.trace_kernels(module, ())
        return ValidationCase.from_operations(
            workload.name,
            operations,
            UNUSED_S,
            hardware,
            kernels=len(kernels),
            calibration=calibration,
            isolated_seconds=adapter.replay(operations),
            extra_kernels=[(kernel.bytes, kernel.python_dispatch) for kernel in kernels if not kernel.heavy],
        )

    return predict


def jax_predictor(hardware: Any) -> Predict:
    """One compiled program, of the function that our adapter jits; it has no replay for jax."""
    from neural_cost.adapters.jax import JaxAdapter
    from neural_cost.validation import ValidationCase

    from adapters.jax import ops

    adapter = JaxAdapter()
    calibration = adapter.calibrate()

    def predict(workload: Workload) -> Any:
        graph, arrays = workload.graph, workload.sample()
        loss = interpreter(graph, ops)
        inputs, params = ({name: arrays[name] for name in names} for names in (graph.inputs, graph.params))
        operations = adapter.operations(lambda inputs, params: loss(params, inputs), (inputs, params))
        return ValidationCase.from_operations(
            workload.name, operations, UNUSED_S, hardware, kernels=1, fused=True, calibration=calibration
        )

    return predict


PREDICTORS = {"torch": torch_predictor, "jax": jax_predictor}


def answer(predict: Predict, workload: Workload) -> dict[str, float | str]:
    """What it predicts of one workload, or in a sentence why it does not."""
    try:
        case = predict(workload)
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}".splitlines()[0]}
    seconds = {"zero-shot": case.calibrated_seconds, "replay": case.replay_seconds, "bound": case.lower_bound_seconds}
    return {name: number for name, number in seconds.items() if number is not None}


def main(framework: str, threads: int, folders: Sequence[str]) -> None:
    """On the CPUs, with the threads and in the settings of our own worker."""
    os.sched_setaffinity(0, cpus()[-threads:])
    importlib.import_module(f"adapters.{framework}").Adapter("cpu", threads, "fp32")
    from neural_cost import detect_hardware

    predict = PREDICTORS[framework](detect_hardware()[0])
    print(json.dumps([answer(predict, read_workload(Path(folder))) for folder in folders]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
