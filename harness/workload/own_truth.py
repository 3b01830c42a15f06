"""What a user's own model is compared with: the same program in float64, on disk beside its workload.

There is no oracle for it. The model's own framework runs it in float64, once, in a process of its own, and once more as
it is measured, whose error is the measure of what rounding may do (`rounding.py` has the same rule for the catalogue).
What is measured in float64 is run in float32 for that, since rounding is proportional to the unit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .agreement import GRADIENT_LIMIT
from .oracle import Reference
from .reference_files import read_arrays, write_arrays
from .rounding import GRADIENT_AT_MOST, LOSS_AT_LEAST, SAFETY, UNITS, Errors, gradient_limit

# The most by which two frameworks' float64 results differ. A table of positions or a constant kept in float32 costs
# 6e-8 each; an epsilon of 1e-6 in place of 1e-5, under a variance of 1, costs 4e-6.
SAME = 1e-6


@dataclass(frozen=True)
class Truth:
    """One framework's reference for a user's own model.

    Attributes:
        reference: loss, gradients and what rounding allows.
        parameters: how many values have a gradient.
        drawn: a digest of the weights and the batch, by which a second build is known to be the same.
        notes: sentences for the user, by the phase that they are about.
    """

    reference: Reference
    parameters: int
    drawn: str
    notes: Mapping[str, str]


def truth_of(
    exact: tuple[float, Mapping[str, np.ndarray]],
    rounded: tuple[float, Mapping[str, np.ndarray]],
    source: str,
    drawn: str,
    notes: Mapping[str, str],
    rounding: str = "fp32",
) -> Truth:
    """Make a truth of the loss and gradients in float64 (`exact`) and of a run in lower precision (`rounded`).

    The error of the rounded run sets how far other programs may be off. `rounding` is the precision that it stands for:
    fp32 also serves tf32, and fp64 after scaling; fp64 marks a float64 model whose own code casts to float32, unscaled.
    """
    loss, gradients = exact
    reference = Reference(loss, dict(gradients), source=source)
    own = Errors(reference.loss_error(rounded[0]), reference.gradient_errors(rounded[1]), rounding)
    reference = Reference(loss, dict(gradients), _allowed(own), source=source)
    return Truth(reference, sum(array.size for array in gradients.values()), drawn, notes)


def _allowed(own: Errors) -> Errors:
    """SAFETY times a framework's own rounding, but at least that of a sum, and at most what is still verified.

    Nothing is asked of a gradient of which bf16 leaves too little.
    """
    if own.precision not in GRADIENT_LIMIT:
        loss = float(np.clip(SAFETY * own.loss, LOSS_AT_LEAST, GRADIENT_AT_MOST))
        gradients = {name: gradient_limit(error) for name, error in own.gradients.items()}
        return Errors(loss, gradients, own.precision)

    least, most = SAFETY * UNITS[own.precision], GRADIENT_LIMIT[own.precision]  # sums are in float32, and add nothing

    def limit(error: float) -> float:
        return float(np.clip(SAFETY * error, least, most)) if error <= most else math.inf

    return Errors(limit(own.loss), {name: limit(error) for name, error in own.gradients.items()}, own.precision)


def write_truth(folder: Path, framework: str, truth: Truth) -> None:
    """Write one framework's truth below the folder of the workload; a parameter's name need not be a file's."""
    place, gradients = _of(folder, framework), truth.reference.gradients
    write_arrays(place / "gradients", {str(i): array for i, array in enumerate(gradients.values())})
    description = {
        "loss": truth.reference.loss,
        "allowed": asdict(truth.reference.allowed),
        "source": truth.reference.source,
        "names": list(gradients),
        "parameters": truth.parameters,
        "drawn": truth.drawn,
        "notes": dict(truth.notes),
    }
    (place / "truth.json").write_text(json.dumps(description, indent=2))


def read_truth(folder: Path, framework: str) -> Truth:
    """The inverse of `write_truth`; arrays are mapped from disk, not read."""
    place = _of(folder, framework)
    data = json.loads((place / "truth.json").read_text())
    arrays = read_arrays(place / "gradients", map(str, range(len(data["names"]))))
    gradients = dict(zip(data["names"], arrays.values(), strict=True))
    reference = Reference(data["loss"], gradients, Errors(**data["allowed"]), source=data["source"])
    return Truth(reference, data["parameters"], data["drawn"], data["notes"])


def write_refusal(folder: Path, framework: str, outcome: str, reason: str) -> None:
    """Write why a framework's variants are not to be measured."""
    _of(folder, framework).mkdir(parents=True, exist_ok=True)
    (_of(folder, framework) / "refused.json").write_text(json.dumps([outcome, reason]))


def read_refusal(folder: Path, framework: str) -> tuple[str, str] | None:
    """The outcome and the reason, if there is one."""
    path = _of(folder, framework) / "refused.json"
    if not path.exists():
        return None
    outcome, reason = json.loads(path.read_text())
    return outcome, reason


def difference(first: Truth, other: Truth) -> str:
    """Say in what two frameworks' models differ, in a phrase; empty if they are the same with the same weights.

    Names and layouts of parameters are each framework's own, so the norms of gradients are compared, sorted.
    """
    if first.parameters != other.parameters:
        return f"{other.parameters:,} parameters have a gradient, against {first.parameters:,}"
    ours, theirs = first.reference, other.reference
    if ours.loss_error(theirs.loss) > SAME:
        return f"the loss is {theirs.loss:.9g} in float64, against {ours.loss:.9g}"
    if abs(theirs.norm - ours.norm) > SAME * ours.norm:
        return f"the norm of the whole gradient is {theirs.norm:.9g} in float64, against {ours.norm:.9g}"
    norms = [np.sort([np.linalg.norm(g) for g in t.gradients.values()]) for t in (ours, theirs)]
    if len(norms[0]) == len(norms[1]):
        off = np.abs(norms[1] - norms[0])
        worst = int(off.argmax())
        if off[worst] > SAME * ours.norm:
            return f"a gradient's norm is {norms[1][worst]:.9g} in float64, against {norms[0][worst]:.9g}"
    return ""


def _of(folder: Path, framework: str) -> Path:
    return folder / "references" / framework
