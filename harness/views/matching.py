"""Which cells of two sweeps are compared, and what is known to differ between the two sides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import UserError
from ..measure.machine.environment import differences
from ..records.record import Record

_DIGESTS = {"work": "the digest of the work", "code": "the digest of the code that runs it"}


def match(before: Sequence[Record], after: Sequence[Record], force: bool) -> list[tuple[Record, Record]]:
    """Pair the records of two sweeps that measured the same cell.

    A model and variant that occurs once on each side is paired even if its cells differ. Raises UserError if nothing
    matches or, unless `force`, if a pair differs in machine, sizes, precision, choices, device or threads; the message
    names the differences.
    """
    old = {record.cell: record for record in before if record.samples and record.outcome == "ok"}
    new = {record.cell: record for record in after if record.samples and record.outcome == "ok"}
    pairs = [(old[cell], new[cell]) for cell in old if cell in new]
    lone_old, lone_new = (
        _single(old[c] for c in old.keys() - new.keys()),
        _single(new[c] for c in new.keys() - old.keys()),
    )
    pairs += [(lone_old[key], lone_new[key]) for key in lone_old if key in lone_new]
    if not pairs:
        raise UserError("nothing to compare: no model and variant was measured in both sweeps")
    for a, b in pairs:
        if (differing := _differences(a, b)) and not force:
            raise UserError(
                f"{a.model} {a.variant} cannot be compared: {'; '.join(differing)}; FORCE=1 compares all the same"
            )
    return pairs


def _single(records: Iterable[Record]) -> dict[tuple[str, str], Record]:
    """Records by model and variant, for those that have only one record."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.model, record.variant), []).append(record)
    return {key: of_key[0] for key, of_key in found.items() if len(of_key) == 1}


def _differences(a: Record, b: Record) -> list[str]:
    """Phrases that say what makes two records incomparable. Something unknown on one side counts as a difference."""
    sizes_a, sizes_b = a.workload["sizes"], b.workload["sizes"]
    sides = [(f"model.{key}", sizes_a.get(key), sizes_b.get(key)) for key in sizes_a | sizes_b]
    sides += [(key, a.workload[key], b.workload[key]) for key in ("precision", "seed", "gradients")]
    sides += [("frozen", a.workload.get("frozen", "null"), b.workload.get("frozen", "null"))]
    sides += [("device", a.device, b.device), ("threads", a.threads, b.threads), ("memory", a.memory, b.memory)]
    sides += [(f"choices.{key}", value, b.choices[key]) for key, value in a.choices.items()]
    keys = a.machine | b.machine
    sides += [(f"machine.{key}", a.machine.get(key, "not known"), b.machine.get(key, "not known")) for key in keys]
    return [_differs(*side) for side in sides if side[1] != side[2]]


def _differs(name: str, in_a: object, in_b: object) -> str:
    return f"{name} is {in_a} in A and {in_b} in B"


def remarks(pairs: Iterable[tuple[Record, Record]]) -> list[str]:
    """Everything that is known to differ, each once: what does not prevent the comparison may be the point of it."""
    found: dict[str, None] = {}
    for a, b in pairs:
        environment = (_differs(*side) for side in differences(a.environment, b.environment))
        found |= dict.fromkeys([*_differences(a, b), *environment, *_provenance(a, b)])
    return list(found)


def _provenance(a: Record, b: Record) -> list[str]:
    """Phrases on the settings, versions and commit that differ, what the framework says of itself included."""
    sides: list[tuple[str, object, object]] = []
    installed = a.versions | b.versions
    in_force = [{k: v for k, v in record.described.items() if k not in installed} for record in (a, b)]
    groups: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
        ("measure.", a.measure, b.measure),
        ("", a.versions, b.versions),
        (f"{a.framework}'s ", in_force[0], in_force[1]),
        ("twofold's ", a.harness, b.harness),
    ]
    for prefix, in_a, in_b in groups:
        keys = dict.fromkeys([*in_a, *in_b])
        sides += [(prefix + _DIGESTS.get(k, k), in_a.get(k, "not known"), in_b.get(k, "not known")) for k in keys]
    return [_differs(*side) for side in sides if side[1] != side[2]]
