"""What a command plans, in this process: Hydra composes, and nothing is measured."""

from __future__ import annotations

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from harness.config.expand import Requested, requested
from harness.sweep.sweep import Sweep, sweeps_of


def asked(*overrides: str) -> list[Requested]:
    """The jobs that a command asks for. Hydra must be initialised, and raises what it finds; we raise UserError."""
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    return list(requested(overrides, lambda single: compose("config", overrides=list(single)), parser))


def planned(*overrides: str) -> list[Sweep]:
    """The sweeps that a typed command asks for. Raises what `asked` raises."""
    return sweeps_of(asked(*overrides))
