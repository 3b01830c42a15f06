"""Which ceilings a variant has on this machine, and which it lacks to be predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..job import Job, Variant
from ..measure.machine.description import describe, identity
from ..measure.machine.environment import that_matters
from ..records.ceilings import Ceilings, load
from ..views.plural import plural
from .bench import OP_BY_OP
from .networks import network, network_of
from .parts import replayed
from .probes import Kind, kinds_of

# Their compilers take seconds a program, so minutes for all probes and a network.
NOT_PROBED = {("torch", "compile"), ("tensorflow", "xla")}

Version = Callable[[Variant], str]


def conditions_of(job: Job, variant: Variant, version: Version) -> dict[str, str]:
    """What the ceilings of a variant depend on besides the machine, by name."""
    variables = that_matters() | dict(variant.environment.variables)
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


def stored(job: Job, variant: Variant, version: Version) -> Ceilings | None:
    """The ceilings of a variant on this machine, if there are any. Raises UserError if their file is corrupt."""
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


def lacking(job: Job, variant: Variant, version: Version) -> Missing | None:
    """What is to be measured before a variant of a job can be predicted; None if nothing is.

    Those of `NOT_PROBED`, and several replicas, are not predicted. Raises UserError if the file of ceilings is corrupt.
    """
    if (variant.framework, variant.execution) in NOT_PROBED or variant.choices.replicas > 1:
        return None
    ceilings = stored(job, variant, version) or Ceilings(conditions_of(job, variant, version), {}, ())
    kinds, networks = kinds_of(job.traced), list[str]()
    if variant.execution not in OP_BY_OP:
        networks = [network_of(call.op for call in job.traced.graph.calls)]
        kinds += kinds_of(network(networks[0], job.workload.precision))
    lacks = tuple(kind for kind in dict.fromkeys(kinds) if ceilings.lacks(str(kind)))
    unseen = tuple(name for name in networks if name not in ceilings.networks)
    return Missing(ceilings, lacks, unseen) if lacks or unseen else None


def _listed(values: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(values.items()))
