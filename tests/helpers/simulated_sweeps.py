"""Simulated comparisons of whole sweeps, of which it is known what changed: what is left of processes and machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.measure.comparison import Answer, Comparison
from harness.measure.family import Difference, compared_together

QUANTITIES = ("forward", "backward", "gradient", "ratio")
VARIANTS = ("torch", "torch", "jax", "tensorflow", "tensorflow")  # of each workload, by framework
INSIDE = 0.01  # standard error of a time inside a process, as a relative difference
INSIDE_DF = 20


@dataclass(frozen=True)
class Noise:
    """Standard deviations, as relative differences, of what differs where the code is the same.

    Attributes:
        time: of a process's times from those of another; `ratio`: of its ratio.
        tails: degrees of freedom of Student's t from which processes are drawn; infinite for a normal law.
        machine: by how much the machine is slower in the second sweep.
        workload: of the machine's speed from workload to workload.
    """

    time: float = 0.015
    ratio: float = 0.01
    tails: float = math.inf
    machine: float = 0.0
    workload: float = 0.0


@dataclass(frozen=True)
class Known:
    """What is known of the spread beforehand: by assumption, unless a self-check said so."""

    time: float = 0.05
    ratio: float = 0.02
    df: float = 4.0


def simulated(
    generator: np.random.Generator,
    cells: int,
    trials: int,
    noise: Noise,
    known: Known | None = None,
    backward: Sequence[float] = (),
    in_same_rounds: bool = False,
) -> dict[str, list[Comparison]]:
    """Compare two sweeps; the answers for each quantity, cell by cell.

    Backward of the first cells takes `backward` times as long in the second sweep. In the same rounds, what the machine
    does is the same for both.
    """
    if in_same_rounds:
        noise = replace(noise, machine=0.0, workload=0.0)
    before, after = (_sweep(generator, cells, trials, noise, second) for second in (False, True))
    known = known or Known()
    differences = []
    for quantity in QUANTITIES:
        (a, a_errors), (b, b_errors) = before[quantity], after[quantity]
        change = b - a
        if quantity in ("backward", "ratio"):
            change[: len(backward)] += np.log(np.asarray(backward))[:, None] if backward else 0.0
        sigma = math.sqrt(2) * (known.ratio if quantity == "ratio" else known.time)
        changes, errors = change.tolist(), np.hypot(a_errors, b_errors).tolist()
        differences += [
            Difference(
                quantity,
                VARIANTS[cell % len(VARIANTS)],
                changes[cell],
                errors[cell],
                sigma,
                known.df,
                of_time=quantity != "ratio",
                in_same_rounds=in_same_rounds,
            )
            for cell in range(cells)
        ]
    found = compared_together(differences)
    return {quantity: found[i * cells : (i + 1) * cells] for i, quantity in enumerate(QUANTITIES)}


def alarms(compared: dict[str, list[Comparison]]) -> int:
    """Count the words slower and faster."""
    answers = [comparison.answer for of_quantity in compared.values() for comparison in of_quantity]
    return answers.count(Answer.SLOWER) + answers.count(Answer.FASTER)


def _sweep(
    generator: np.random.Generator, cells: int, trials: int, noise: Noise, second: bool
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Draw the centre and the standard error of each quantity in each process [cells, trials]."""
    shape = (cells, trials)

    def offsets(sigma: float) -> np.ndarray:
        if math.isinf(noise.tails):
            return sigma * generator.standard_normal(shape)
        return sigma * generator.standard_t(noise.tails, shape) / math.sqrt(noise.tails / (noise.tails - 2))

    workload = np.arange(cells) // len(VARIANTS)
    speed = noise.workload * generator.standard_normal(cells)[workload][:, None] + noise.machine * second
    forward, ratio, gradient = offsets(noise.time), offsets(noise.ratio), offsets(noise.time)
    times = {"forward": forward + speed, "backward": forward + ratio + speed, "gradient": gradient + speed}
    errors = INSIDE * np.sqrt(generator.chisquare(INSIDE_DF, shape) / INSIDE_DF)
    return {
        quantity: (centre + INSIDE * generator.standard_normal(shape), errors)
        for quantity, centre in (times | {"ratio": ratio}).items()
    }
