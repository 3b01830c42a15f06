"""What a machine allows a framework's programs, as it was measured: stored once, beside the self-check.

A probe is one op on arrays of sizes of its own, measured alone. Ceilings are the probes of one execution under
`conditions`: the framework's version, choices, device, threads, precision, and all else that changes kernels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError
from .record import write_json

FILE = "ceilings.json"
LAYOUT = 3  # raise it when the probes or their meaning change; what another layout stored is measured again


@dataclass(frozen=True)
class Pass:
    """Seconds of one call of a pass, the FLOPs of its multiplies, and the bytes that it reads or writes at least."""

    seconds: float
    flops: int
    bytes: int


@dataclass(frozen=True)
class Probe:
    """One op alone.

    Attributes:
        kind: the op's name, with the attributes that it was called with.
        shape: the shapes of its arguments, for a reader.
        arrays: elements of its first two arguments and of its output.
        passes: those it has of forward, backward, dX and dW; none if it failed.
        reason: why it failed.
    """

    kind: str
    shape: str
    arrays: tuple[int, ...]
    passes: dict[str, Pass]
    reason: str = ""


@dataclass(frozen=True)
class Ceilings:
    """What was measured of one execution.

    Attributes:
        conditions: what it depends on besides the machine, by name.
        tiny: seconds of calls that compute nothing, by pass and name.
        probes: ops alone.
        networks: seconds of whole networks, by name and pass; only of executions that compile.
    """

    conditions: dict[str, str]
    tiny: dict[str, dict[str, float]]
    probes: tuple[Probe, ...]
    networks: dict[str, dict[str, float]] = field(default_factory=dict)

    def lacks(self, kind: str) -> bool:
        """Whether no probe of this kind was tried."""
        return all(probe.kind != kind for probe in self.probes)


def load(results: Path, machine: str, conditions: Mapping[str, str]) -> Ceilings | None:
    """Load the ceilings under these conditions; None if this machine has none. Raises UserError if the file is corrupt.

    `machine` is its `identity`.
    """
    return next((ceilings for ceilings in _load_all(results, machine) if ceilings.conditions == conditions), None)


def store(results: Path, machine: str, ceilings: Ceilings) -> None:
    """Store ceilings in place of those under the same conditions; those of another machine are forgotten."""
    others = [old for old in _load_all(results, machine) if old.conditions != ceilings.conditions]
    content = {"layout": LAYOUT, "machine": machine, "ceilings": [asdict(entry) for entry in (*others, ceilings)]}
    write_json(_path(results), content)


def _load_all(results: Path, machine: str) -> list[Ceilings]:
    try:
        data = json.loads(_path(results).read_text())
        if (data["layout"], data["machine"]) != (LAYOUT, machine):
            return []
        return [_ceilings(entry) for entry in data["ceilings"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{_path(results)}: not whole ceilings ({error}); delete it, and make explain measures them again"
        ) from error


def _ceilings(entry: Mapping[str, Any]) -> Ceilings:
    """Make ceilings as they were before they were written."""
    probes = tuple(
        Probe(
            probe["kind"],
            probe["shape"],
            tuple(probe["arrays"]),
            {name: Pass(**measured) for name, measured in probe["passes"].items()},
            probe["reason"],
        )
        for probe in entry["probes"]
    )
    return Ceilings(dict(entry["conditions"]), dict(entry["tiny"]), probes, dict(entry["networks"]))


def _path(results: Path) -> Path:
    return results / FILE
