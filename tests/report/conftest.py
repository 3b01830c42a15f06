"""A sweep with something for every section of a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.records.calibration import assumed
from harness.records.record import Record
from harness.report.findings import Findings
from tests.helpers.claims import times
from tests.helpers.records import failed, judged, record, variant

__all__ = ["failed", "judged", "record", "variant"]


@pytest.fixture
def made(variant: Callable[..., Record], failed: Callable[..., Record]) -> list[Record]:
    """Two depths in two frameworks, one with a choice too; one ratio that cannot be told, and one refusal."""
    records = []
    for depth in (2, 8):
        for framework, backward in (("torch", 2.0), ("jax", 1.5)):
            kept = variant(depth=depth, framework=framework, samples=times(backward, gradient=3.0 * depth))
            recomputed = variant(
                depth=depth, framework=framework, samples=times(backward, gradient=4.0 * depth), residuals="blocks"
            )
            for measured, mib in ((kept, 4.0), (recomputed, 1.0)):
                measured.metrics |= {"ratio": backward, "ratio_low": backward - 0.1, "ratio_high": backward + 0.1}
                measured.metrics["residual_mib"] = mib
                measured.phases["gradient"] = type(measured.phases["forward"])(ms=(3 if mib > 1 else 4) * depth)
                records.append(measured)
    records[1].metrics |= {"ratio_low": 0.1, "ratio_high": 9.0}
    return [*records, failed("unsupported", "it has <no> such kernel & says so", cell="mlp-refused")]


@pytest.fixture
def findings(made: list[Record], tmp_path: Path) -> Findings:
    """What the page of that sweep is made from."""
    folder = tmp_path / "study" / "main"
    folder.mkdir(parents=True)
    return Findings.of(folder, made, assumed("here"))
