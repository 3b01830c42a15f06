"""Measures what this machine allows each variant of a job, as far as that is not stored yet, and stores it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

from ..errors import UserError
from ..job import Job, Variant
from ..measure.clock import Samples
from ..measure.launch import Conditions, Launch
from ..measure.machine.description import describe, identity
from ..measure.protocol import Failure
from ..paths import temporary_folder
from ..records.ceilings import Ceilings, Pass, Probe, store
from ..views.labels import variant_name
from ..workload.workload import save
from .bench import PAIR, Bench, Source
from .calls import TINY, saved_tiny
from .ceilings import Missing, Version, lacking
from .networks import network
from .parts import Part, replayed
from .probes import BANDWIDTH, Kind
from .replay import CYCLES_IN_TURN

PROBE_S = 0.15  # seconds of measuring a probe again and again; more if its fastest cycles differ
NETWORK_S = 1.0  # seconds of measuring a network, likewise
IN_TURN_S = 10.0  # seconds of measuring all probes in turn; less if the fastest cycles of each agree earlier
AGREEING, AGREE_WITHIN = 3, 0.05  # cycles of each phase, the fastest ones, and how much they may differ


def measure_missing(
    job: Job,
    launch: Callable[[Variant], Launch],
    conditions: Conditions,
    version: Version,
    say: Callable[[str], None],
    starting: Callable[[Variant], None] = lambda variant: None,
) -> None:
    """Measure and store the ceilings that the variants of a job lack for the ops of its workload.

    A variant that cannot be measured is left to its record, which says why.
    """
    if job.workload.graph is None:
        return
    for explained in job.variants:
        for variant, missing in lacking(job, explained, version).items():
            starting(explained)
            name = variant_name(variant)
            say(f"{name}: first measuring what this machine allows it, {missing}")
            try:
                how = replace(launch(variant), choices=replayed(variant))
                store(job.results, identity(describe()), _measured(missing, how, conditions))
            except (Failure, UserError) as failure:
                say(f"{name}: no ceilings ({failure})")


def _measured(missing: Missing, launch: Launch, conditions: Conditions) -> Ceilings:
    """Add what is missing, and `TINY` beside the first ops. Raises Failure if no process can be started."""
    tiny, probes, wholes = dict(missing.ceilings.tiny), list(missing.ceilings.probes), dict(missing.ceilings.networks)
    kinds = missing.kinds and (*missing.kinds, Kind(BANDWIDTH))  # copies push others out of the caches in each turn
    parts = {part: kind for kind in dict.fromkeys(kinds) for part in kind.probes(conditions.precision)}
    with temporary_folder() as temporary, Bench[Part | str](launch, conditions) as bench:
        root = Path(temporary)
        sources: dict[Part | str, Source] = {
            part: Source(save(part.workload, root / f"probe{number}", solve=False), part.workload.graph)
            for number, part in enumerate(parts)
        }
        folders = saved_tiny(conditions.precision, root) if kinds and not tiny else {}
        sources |= {name: Source(folder, TINY[name].graph, PAIR) for name, folder in folders.items()}
        for name in missing.networks:
            whole = network(name, conditions.precision)
            sources[name] = Source(save(whole, root / name, solve=False), whole.graph, PAIR)
        bench.load(sources)
        if folders:
            samples = {name: bench.time(name, bench.warm(name), PROBE_S, fastest_agree) for name in folders}
            tiny = {phase: {name: _seconds(times, phase) for name, times in samples.items()} for phase in PAIR}
        for part, result in _timed(bench, list(parts)).items():
            if parts[part] not in missing.kinds:
                continue
            kind = str(parts[part])
            if isinstance(result, Failure):
                probes.append(Probe(kind, part.shape, (), {}, result.reason))
            else:
                probes.append(Probe(kind, part.shape, part.arrays, _passes(part, result)))
        wholes |= {name: _timed_whole(bench, name) for name in missing.networks}
    return Ceilings(missing.ceilings.conditions, tiny, tuple(probes), wholes)


def _timed_whole(bench: Bench[Part | str], name: str) -> dict[str, float]:
    """Seconds of a network's passes; empty if it fails."""
    try:
        bench.require(name)
        samples = bench.time(name, bench.warm(name), NETWORK_S, fastest_agree)
    except Failure:
        return {}
    return {phase: _seconds(samples, phase) for phase in PAIR}


def _timed(bench: Bench[Part | str], parts: Sequence[Part]) -> dict[Part, Samples | Failure]:
    """Time probes as parts are timed (`replay.py`), each until its fastest cycles agree or its time is over."""
    results: dict[Part, Samples | Failure] = {}
    if not bench.takes_turns:
        for part in parts:
            try:
                bench.require(part)
                results[part] = bench.time(part, bench.warm(part), PROBE_S, fastest_agree)
            except Failure as failure:
                results[part] = failure
        return results
    loaded = [part for part in parts if part not in bench.failures]
    times = {part: Samples() for part in loaded}
    end = monotonic() + IN_TURN_S
    while loaded:
        for key, samples in bench.in_turn(loaded, CYCLES_IN_TURN).items():
            assert isinstance(key, Part)
            times[key].extend(samples)
        if all(map(fastest_agree, times.values())) or monotonic() > end:
            break
    return {part: times[part] if part in times else bench.failures[part] for part in parts}


def fastest_agree(samples: Samples) -> bool:
    """Whether the fastest cycles of each phase agree: it is rare that disturbances prolong three cycles equally."""
    fastest = [sorted(seconds)[:AGREEING] for seconds in samples.seconds.values()]
    return all(len(few) == AGREEING and few[-1] <= (1 + AGREE_WITHIN) * few[0] for few in fastest)


def _passes(part: Part, samples: Samples) -> dict[str, Pass]:
    """The passes of a part that was measured, with their work. The gradients of one side alone are all of backward."""
    works = part.works
    phases = {"forward": "forward", "backward": "backward", "dX": "backward_inputs", "dW": "backward_params"}
    if not {"dX", "dW"} <= works.keys():
        phases |= dict.fromkeys(("dX", "dW"), "backward")
    return {name: Pass(_seconds(samples, phases[name]), work.flops, part.bytes(name)) for name, work in works.items()}


def _seconds(samples: Samples, phase: str) -> float:
    """Seconds of a call of a phase in the fastest cycle, which was disturbed the least."""
    return min(samples.seconds[phase])
