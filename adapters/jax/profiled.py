"""How long each op call takes inside a jitted run: XLA's own record of a compiled program, and where its ops come from.

XLA's instructions keep the scopes in which jax traced them; what autodiff makes of a call is in `transpose(...)`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
from jax.profiler import ProfileData

from harness.workload.trace import Graph

from ..common.hlo_owners import events_of
from ..common.numbered import Numbered, within
from ..common.scopes import number_in, scope, times_of
from ..profiled import Times
from .executable import Executable
from .split import DifferentiationRule

Instructions = list[tuple[str, float]]  # each with its seconds


def numbered(ops: Any, graph: Graph) -> Numbered:
    """The ops, each call in the scope of its place in the trace."""
    return Numbered(ops, len(graph.calls), within(lambda number: jax.named_scope(scope(number))))


def profiled(
    rule: DifferentiationRule,
    graph: Graph,
    arguments: Sequence[Any],
    executable: Callable[..., Executable],
    passes: int,
) -> list[Times]:
    """Compile forward and backward of a rule whose ops are `numbered`, and run both under XLA's profiler."""
    runs = profiled_passes(rule, arguments, executable, passes)
    return [times_of(graph, {name: events_of(*ran, number_in) for name, ran in run.items()}) for run in runs]


def profiled_passes(
    rule: DifferentiationRule, arguments: Sequence[Any], executable: Callable[..., Executable], passes: int
) -> list[dict[str, tuple[str, Instructions]]]:
    """Compile both passes of a rule and run them under XLA's profiler: each pass's HLO, and what ran of it."""
    forward, backward = executable(rule.split.forward), executable(rule.split.backward)
    phases = {"forward": forward, "backward": backward}
    with _scopes_in_keys():
        jax.block_until_ready(backward(forward(*arguments), *arguments))
    programs = {_module(executable.hlo()): (name, executable.hlo()) for name, executable in phases.items()}

    def run() -> None:
        for _ in range(passes):
            jax.block_until_ready(backward(jax.block_until_ready(forward(*arguments)), *arguments))

    runs: dict[str, list[tuple[str, Instructions]]] = {name: [] for name in phases}
    for module, ran in _runs(run):
        if module in programs:
            name, text = programs[module]
            runs[name].append((text, ran))
    return [dict(zip(runs, ran, strict=True)) for ran in zip(*runs.values(), strict=True)]


def _module(text: str) -> str:
    """The name of a program, from its HLO: `HloModule jit_forward, ...`."""
    return text.split(maxsplit=2)[1].rstrip(",")


@contextmanager
def _scopes_in_keys() -> Iterator[None]:
    """Programs of other scopes are other programs to jax's cache, meanwhile."""
    name = "jax_compilation_cache_include_metadata_in_key"
    before = getattr(jax.config, name)
    jax.config.update(name, True)
    try:
        yield
    finally:
        jax.config.update(name, before)


def _runs(call: Callable[[], Any]) -> list[tuple[str, Instructions]]:
    """(program, its instructions with their seconds) of each program that XLA runs in a call, in their order."""
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    runs: dict[Any, tuple[str, Instructions]] = {}
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            call()
        for _, name, module, run, seconds in sorted(
            e for path in Path(folder).rglob("*.xplane.pb") for e in _ran(path)
        ):
            runs.setdefault(run, (module, []))[1].append((name, seconds))
    return list(runs.values())


def _ran(path: Path) -> Iterator[tuple[float, str, str, int, float]]:
    """(start, instruction, program, number of the run, seconds) of everything in a profile."""
    for plane in ProfileData.from_file(str(path)).planes:
        for line in plane.lines:
            for event in line.events:
                stats = dict(event.stats)
                if "hlo_op" in stats and "run_id" in stats:
                    module, run = str(stats["hlo_module"]), int(stats["run_id"])
                    yield event.start_ns, str(stats["hlo_op"]), module, run, event.duration_ns * 1e-9
