"""Predicts the time of a workload's passes from its counted FLOPs and bytes, and what the machine allows.

Nothing of the workload's own is measured for it. The time of a pass is the sum over its ops of the roofline's, and of
calling each and the pass itself. Where an execution compiles, it is as much longer or shorter than that as a network of
its kind was (`networks.py`), which fuses its ops as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapters.choices import DEFAULT

from ..job import Job, Variant
from ..records.ceilings import Ceilings
from ..records.record import Record
from .ceilings import Version, lender, stored
from .networks import network_of, network_parts
from .parts import Part, distinct_parts
from .roofline import Roofline


@dataclass(frozen=True)
class Predicted:
    """Seconds of a workload's forward and backward pass."""

    forward_s: float
    backward_s: float

    @property
    def ratio(self) -> float:
        """Backward over forward."""
        return self.backward_s / self.forward_s

    def metrics(self, record: Record) -> dict[str, float]:
        """What is predicted, and its relative error if the record has what was measured."""
        numbers = {
            "predicted_ratio": self.ratio,
            "predicted_forward_s": self.forward_s,
            "predicted_backward_s": self.backward_s,
        }
        if "ratio" in record.metrics:
            numbers["predicted_ratio_error"] = self.ratio / record.metrics["ratio"] - 1
        for name, seconds in (("forward", self.forward_s), ("backward", self.backward_s)):
            if ms := record.phases[name].ms:
                numbers[f"predicted_{name}_error"] = 1e3 * seconds / ms - 1
        return numbers


def predictions(job: Job, variants: Iterable[Variant], version: Version) -> dict[Variant, Predicted]:
    """Predict those variants of a job whose ceilings this machine has. Raises UserError if their file is corrupt.

    A model of one's own has no trace to count, and is not predicted.
    """
    if job.workload.graph is None:
        return {}
    allowed = {variant: ceilings for variant in variants if (ceilings := stored(job, variant, version))}
    parts = distinct_parts(job.traced) if allowed else []
    made = {variant: predict(variant, parts, ceilings) for variant, ceilings in allowed.items()}
    return {variant: prediction for variant, prediction in made.items() if prediction}


def predict(variant: Variant, parts: Sequence[Part], ceilings: Ceilings) -> Predicted | None:
    """Predict the passes of a workload that has these parts.

    None if the probes of multiplies or memory failed, if the variant's passes compute more, or less, than the trace, or
    if ops alone are another's and no network shows how far its passes are from them.
    """
    chosen = variant.choices
    if (chosen.residuals, chosen.autodiff, chosen.replicas) != (DEFAULT.residuals, DEFAULT.autodiff, DEFAULT.replicas):
        return None
    try:
        roofline = Roofline(ceilings)
    except ValueError:
        return None
    predicted = _one_after_the_other(roofline, parts)
    name = network_of(part.op for part in parts)
    if not (measured := ceilings.networks.get(name)):
        return predicted if lender(variant) == variant else None
    together = _one_after_the_other(roofline, network_parts(name, ceilings.conditions["precision"]))
    return Predicted(
        predicted.forward_s * measured["forward"] / together.forward_s,
        predicted.backward_s * measured["backward"] / together.backward_s,
    )


def _one_after_the_other(roofline: Roofline, parts: Sequence[Part]) -> Predicted:
    """The passes of a workload that calls one op after the other."""
    calls = roofline.calls
    forward, backward = calls["forward"].whole, calls["backward"].whole
    for part in parts:
        forward += part.count * (calls["forward"].op + roofline.seconds(part, "forward"))
        if part.wanted != ("forward",):
            backward += part.count * (calls["backward"].op + _backward(roofline, part))
    return Predicted(forward, backward)


def _backward(roofline: Roofline, part: Part) -> float:
    """Seconds of an op's backward pass: of each multiply, or of all its bytes where it has none."""
    works = part.works
    if not works["backward"].flops:
        return roofline.seconds(part, "backward")
    return sum(roofline.seconds(part, name) for name in ("dX", "dW") if name in works)
