"""Names for the rows of a sweep: the workload's model, the variant, and whatever tells one from the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..job import Job, Variant, in_environment
from ..records.record import Record


@dataclass(frozen=True)
class Facts:
    """What a workload may differ in from another of its sweep, by the names that a user types.

    Sizes are compared with those of the same model only, settings with those of the whole sweep.
    """

    model: str
    sizes: Mapping[str, Any]
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, measured: Record | Job) -> Facts:
        """Collect the facts of a job that is planned, or of a record that is there."""
        if isinstance(measured, Record):
            model, work = measured.model, measured.workload
            device, threads, memory = measured.device, measured.threads, measured.memory
        else:
            model, work = measured.workload.label, measured.workload.as_dict()
            device, threads, memory = measured.device.name, measured.device.threads, measured.device.memory
        settings = {name: work[name] for name in ("precision", "gradients", "frozen", "seed") if name in work}
        return cls(model, work["sizes"], settings | {"device": device, "threads": threads, "memory": memory})


def labels(workloads: Iterable[Record | Job]) -> list[str]:
    """Name each workload by its model and by what differs: `mlp depth=2 precision=bf16`."""
    facts = [Facts.of(workload) for workload in workloads]
    sizes, settings = _differing_sizes(facts), _differing([fact.settings for fact in facts])
    return [
        " ".join([fact.model, *written(fact.sizes, sizes[fact.model]), *written(fact.settings, settings)])
        for fact in facts
    ]


def in_common(workloads: Iterable[Record | Job]) -> list[str]:
    """Write a line for each model with the sizes and settings that all of its workloads share.

    Those settings that are rarely chosen stand there only if they were.
    """
    facts = [Facts.of(workload) for workload in workloads]
    sizes, settings = _differing_sizes(facts), _differing([fact.settings for fact in facts])
    lines = {}
    for fact in facts:
        shared = {name: value for name, value in fact.sizes.items() if value not in (None, fact.model)}
        shared |= {"precision": fact.settings["precision"]}
        shared |= {} if fact.settings["gradients"] == "params" else {"gradients": fact.settings["gradients"]}
        shared |= {name: value for name, value in fact.settings.items() if name == "frozen"}
        names = [name for name in shared if name not in sizes[fact.model] and name not in settings]
        lines[fact.model] = f"{fact.model}: {', '.join(written(shared, names))}"
    return list(lines.values())


def shared_choices(variants: Sequence[Variant]) -> dict[str, Any]:
    """Return the choices that depart from the defaults and are the same in all of several variants."""
    departing = [variant.choices.departing for variant in variants]
    if len(departing) < 2:
        return {}
    return {name: value for name, value in departing[0].items() if all(d.get(name) == value for d in departing)}


def variant_name(variant: Variant, shared: Collection[str] = ()) -> str:
    """Name a variant: `torch eager residuals=all @plain`, in the environment plain. Shared choices are left out."""
    own = {name: value for name, value in variant.choices.departing.items() if name not in shared}
    where = [in_environment(variant.environment.name)] if variant.environment.name else []
    return " ".join([variant.framework, variant.execution, *written(own), *where])


def _differing_sizes(facts: Sequence[Facts]) -> dict[str, list[str]]:
    """List the sizes that differ between workloads of the same model, by model."""
    by_model: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for fact in facts:
        by_model[fact.model].append(fact.sizes)
    return {model: _differing(sizes) for model, sizes in by_model.items()}


def _differing(mappings: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the keys whose values are not the same in all mappings."""
    keys = dict.fromkeys(key for mapping in mappings for key in mapping)
    return [key for key in keys if any(mapping.get(key) != mappings[0].get(key) for mapping in mappings)]


def written(values: Mapping[str, Any], names: Iterable[str] | None = None) -> list[str]:
    """Write `name=value` as a user types it, for all values or for those of some names."""
    return [f"{name}={_typed(values.get(name))}" for name in (values if names is None else names)]


def _typed(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
