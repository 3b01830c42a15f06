"""A simulated worker: known times and known noise on a simulated clock, without a process.

The self-check and the tests run the real rounds and statistics on it, because there the truth is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..measure.clock import Samples


@dataclass
class SimulatedWorker:
    """Answers `measure` with times drawn around `seconds` by phase.

    The standard deviations are of logarithms, as seen on a shared two-core machine: `process`, the offset of
    backward that this process keeps; `pair`, independent noise of each time; `drift`, a slow common wander
    (AR(1) over cycles); `burst`, the share of times that are prolonged by half or more.
    """

    seconds: dict[str, float]
    generator: np.random.Generator
    process: float = 0.015
    pair: float = 0.06
    drift: float = 0.013
    burst: float = 0.02
    now_s: float = 0.0
    _offset: float = field(init=False)
    _level: float = 0.0

    def __post_init__(self) -> None:
        self._offset = self.process * self.generator.standard_normal()

    def clock(self) -> float:
        """Simulated seconds so far."""
        return self.now_s

    def measure(self, deadline_s: float, cycles: int, repeat: int, stretch: float = 0.0) -> Samples:
        """What a real worker would answer."""
        samples = Samples()
        for _ in range(cycles):
            self._level = 0.96 * self._level + self.drift * np.sqrt(1 - 0.96**2) * self.generator.standard_normal()
            cycle = {phase: self._time(phase, stretch) for phase in self.seconds}
            for phase, seconds in cycle.items():
                samples.seconds.setdefault(phase, []).append(seconds)
                samples.enqueue.setdefault(phase, []).append(seconds)
            wall = repeat * sum(cycle.values())
            samples.wall.append(wall)
            samples.cpu.append(wall)
            samples.others.append(0.0)
            samples.switches.append(0)
            self.now_s += wall
        return samples

    def _time(self, phase: str, stretch: float) -> float:
        noise = self._level + self.pair / np.sqrt(2) * self.generator.standard_normal()
        if self.generator.random() < self.burst:
            noise += np.log(1.5 + self.generator.exponential())
        if phase == "backward":
            noise += self._offset + np.log1p(stretch)
        return float(self.seconds[phase] * np.exp(noise))
