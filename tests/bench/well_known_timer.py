"""One run of `torch.utils.benchmark` on the check workload: forward and backward in separate blocks of seconds.

`python -m tests.bench.well_known_timer SECONDS` prints backward over forward, as its users measure it.
"""

from __future__ import annotations

import sys

import torch
from torch.utils.benchmark import Timer

from harness.measure.machine.resources import cpus
from harness.workload.workload import Workload


def main(seconds: float) -> None:
    """Half of the seconds for each of the two."""
    from adapters.torch import Adapter

    threads = len(cpus())
    workload = Workload.of("mlp", {})
    program = Adapter("cpu", threads, "fp32").load(workload.graph, workload.sample(), "eager")
    loss = program.forward()[1]  # the one that has a graph
    parameters = _leaves(loss)

    def timed(statement: str) -> float:
        names = {"program": program, "loss": loss, "parameters": parameters, "torch": torch}
        timer = Timer(statement, globals=names, num_threads=threads)
        return float(timer.blocked_autorange(min_run_time=seconds / 2).median)

    forward = timed("program.forward()")
    backward = timed("torch.autograd.grad(loss, parameters, retain_graph=True)")
    print(backward / forward)


def _leaves(loss: torch.Tensor) -> list[torch.Tensor]:
    """The tensors at the ends of the loss's graph: its parameters."""
    found, waiting, seen = [], [loss.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        waiting += [parent for parent, _ in node.next_functions]
    return found


if __name__ == "__main__":
    main(float(sys.argv[1]))
