"""The child process: lines of one framework and execution, one after the other.

Started as `python -m tests.parity.worker FRAMEWORK EXECUTION SECONDS WHAT...`; answers in lines of JSON.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from harness.measure.machine.resources import cpus
from harness.workload.workload import Workload

from .compare import Result, compare
from .lines import workload
from .side import Side

LIBRARIES = {"torch": "torch_nn", "jax": "flax_linen", "tensorflow": "keras_layers"}


def main(framework: str, execution: str, seconds: float, whats: list[str], answer: Callable[[Result], None]) -> None:
    """What was begun, a result for each phase, or in a sentence why there is none."""
    adapter = importlib.import_module(f"adapters.{framework}").Adapter("cpu", len(cpus()), "fp32")
    for what in whats:
        answer({"what": what})
        try:
            for result in _line(framework, execution, adapter, workload(what), seconds):
                answer({"what": what, **result})
        except Exception as error:
            traceback.print_exc()
            answer({"what": what, "failed": f"{type(error).__name__}: {error}".splitlines()[0]})
        gc.collect()


def _line(framework: str, execution: str, adapter: Any, asked: Workload, seconds: float) -> Iterator[Result]:
    arrays = asked.sample()
    program = adapter.load(asked.graph, arrays, execution)
    for library in _libraries(framework, execution, asked, arrays):
        yield from compare(framework, asked.graph, program, library(), adapter.wait, seconds)


def _libraries(framework: str, execution: str, asked: Workload, arrays: Any) -> Iterator[Callable[[], Side]]:
    """The workload in each library that has it."""
    layers = importlib.import_module(f".{LIBRARIES[framework]}", __package__)
    yield lambda: layers.side(asked.graph, arrays, execution)
    if (framework, execution) == ("torch", "eager"):
        from . import transformers_models

        if asked.name in transformers_models.MODELS:
            yield lambda: transformers_models.side(asked, arrays)


if __name__ == "__main__":
    # Frameworks may print; answers go to the pipe that was standard output, and all else to the log.
    with os.fdopen(os.dup(1), "w") as pipe:
        os.dup2(2, 1)
        main(
            sys.argv[1],
            sys.argv[2],
            float(sys.argv[3]),
            sys.argv[4:],
            lambda result: print(json.dumps(result), file=pipe, flush=True),
        )
