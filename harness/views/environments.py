"""What the named environments of a sweep are: the variables and versions in which they differ."""

from __future__ import annotations

from collections.abc import Iterable

from ..job import in_environment
from ..records.record import Record


def environments(records: Iterable[Record]) -> list[str]:
    """Write a line for each named environment: `@off: TF_ENABLE_ONEDNN_OPTS=0`, `@old: jax 0.9.2`.

    What all of them share is left out.
    """
    facts: dict[str, dict[str, str]] = {}
    for record in records:
        if record.environment_name:
            of_name = facts.setdefault(record.environment_name, {})
            of_name |= {name: f"{name}={value}" for name, value in (record.environment or {}).items()}
            of_name[record.framework] = f"{record.framework} {record.versions.get(record.framework, 'not known')}"
    common = set.intersection(*(set(of_name.values()) for of_name in facts.values())) if facts else set()
    return [
        f"{in_environment(name)}: {', '.join(own) if (own := sorted(set(of_name.values()) - common)) else 'plain'}"
        for name, of_name in facts.items()
    ]
