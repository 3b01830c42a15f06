"""Which ceilings a variant has on this machine, and which it lacks to be predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..job import Job, Variant
from ..measure.machine.description import describe, identity
from ..measure.machine.environment import kernel_variables
from ..records.ceilings import Ceilings, load
from ..views.plural import plural
from .bench import OP_BY_OP
from .networks import network, network_of
from .parts import replayed
from .probes import Kind, kinds_of

# Compiling each op alone would take these executions minutes, so another execution's times of single ops stand in.
LENDERS = {("torch", "compile"): "eager", ("tensorflow", "xla"): "graph"}

Version = Callable[[Variant], str]


def conditions_of(job: Job, variant: Variant, version: Version) -> dict[str, str]:
    """What the ceilings of a variant depend on besides the machine, by name."""
    variables = kernel_variables() | dict(variant.environment.variables)
    return {
        "framework": variant.framework,
        "execution": variant.execution,
        "version": version(variant),
        "choices": _listed({name: str(value) for name, value in replayed(variant).items()}),
        "environment": " ".join(filter(None, [variant.environment.interpreter, _listed(variables)])),
        "device": job.device.name,
        "threads": str(job.device.threads),
        "memory": job.device.memory,
        "precision": job.workload.precision,
    }


def lender(variant: Variant) -> Variant:
    """The variant whose times of single ops are used for this one: itself, unless `LENDERS` names another execution."""
    execution = LENDERS.get((variant.framework, variant.execution))
    return replace(variant, execution=execution) if execution else variant


def stored(job: Job, variant: Variant, version: Version) -> Ceilings | None:
    """The ceilings of a variant on this machine: its own networks, and its own ops alone or those of its lender.

    None if there are none. Raises UserError if their file is corrupt.
    """
    own = _load(job, variant, version)
    if own is None or lender(variant) == variant:
        return own
    lent = _load(job, lender(variant), version)
    return lent and replace(lent, networks=own.networks)


def _load(job: Job, variant: Variant, version: Version) -> Ceilings | None:
    return load(job.results, identity(describe()), conditions_of(job, variant, version))


@dataclass(frozen=True)
class Missing:
    """What is still to be measured of a variant besides its `ceilings`: ops alone, and networks by name."""

    ceilings: Ceilings
    kinds: tuple[Kind, ...]
    networks: tuple[str, ...]

    def __str__(self) -> str:
        what = [f"{plural(len(self.kinds), 'op')} alone"] if self.kinds else []
        return f"by {' and '.join([*what, *['a network' for _ in self.networks]])} at other sizes"


def lacking(job: Job, variant: Variant, version: Version) -> dict[Variant, Missing]:
    """What must still be measured, and of which variants, before this one can be predicted; empty if nothing.

    Several replicas are not predicted. Raises UserError if the file of ceilings is corrupt.
    """
    if variant.choices.replicas > 1:
        return {}
    kinds, networks = kinds_of(job.traced), list[str]()
    if variant.execution not in OP_BY_OP:
        networks = [network_of(call.op for call in job.traced.graph.calls)]
        kinds += kinds_of(network(networks[0], job.workload.precision))
    wanted: dict[Variant, tuple[Sequence[Kind], Sequence[str]]] = {lender(variant): (kinds, ())}
    wanted[variant] = (kinds if lender(variant) == variant else (), networks)
    missing: dict[Variant, Missing] = {}
    for one, (ops, names) in wanted.items():
        ceilings = _load(job, one, version) or Ceilings(conditions_of(job, one, version), {}, ())
        lacks = tuple(kind for kind in dict.fromkeys(ops) if ceilings.lacks(str(kind)))
        unseen = tuple(name for name in names if name not in ceilings.networks)
        if lacks or unseen:
            missing[one] = Missing(ceilings, lacks, unseen)
    return missing


def _listed(values: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(values.items()))
