"""One replica's share of a workload whose batch is split among several, as data parallelism splits it.

The loss is a mean over examples, so the mean of the replicas' gradients is the gradient of the whole batch, and the
oracle of the whole workload judges it. That needs every example to be computed by itself.
"""

from __future__ import annotations

from dataclasses import replace

from .any_workload import AnyWorkload
from .models import build, sizes
from .ops import CATALOGUE
from .spec import WorkloadError
from .workload import Workload

_SIZE = "batch"


def share(workload: Workload, replicas: int) -> Workload:
    """The work of each of several replicas: the same model, with its part of the batch.

    Raises WorkloadError where the batch cannot be split, or its parts would not add up to the whole.
    """
    if replicas == 1:
        return workload
    if workload.graph.cotangents:
        raise WorkloadError(f"replicas={replicas}: an op alone has no loss to average; choose a model")
    chosen = sizes(workload.model)
    batch = chosen.get(_SIZE)
    if not isinstance(batch, int):
        raise WorkloadError(f"replicas={replicas}: {workload.label} has no size named batch to split")
    if batch % replicas:
        raise WorkloadError(f"replicas={replicas}: model.batch={batch} is no multiple of it; choose a batch that is")
    mixing = sorted({call.op for call in workload.graph.calls if CATALOGUE[call.op].mixes_examples})
    if mixing:
        raise WorkloadError(
            f"replicas={replicas}: {mixing[0]} computes over the whole batch, which its parts do not add up to; choose "
            "a model without it"
        )
    given = {name: value for name, value in chosen.items() if value is not None}
    part = replace(workload, model=build(workload.name, given | {_SIZE: batch // replicas}))
    _check(workload, part, replicas)
    return part


def share_of(work: AnyWorkload, replicas: int) -> AnyWorkload:
    """As `share`; the work itself where it cannot be split, or has no trace."""
    if not isinstance(work, Workload):
        return work
    try:
        return share(work, replicas)
    except WorkloadError:
        return work


def _check(whole: Workload, part: Workload, replicas: int) -> None:
    """Require that the batch is the first axis of some inputs, and that nothing else depends on it."""
    for name, drawn in whole.graph.draws.items():
        shape, own = drawn.spec.shape, part.graph.draws[name].spec.shape
        split = own[:1] == tuple(n // replicas for n in shape[:1]) and own[1:] == shape[1:]
        if own != shape and (name in whole.graph.params or not split):
            raise WorkloadError(
                f"replicas={replicas}: {name} of {whole.label} depends on the batch, and not as a list of examples"
            )
