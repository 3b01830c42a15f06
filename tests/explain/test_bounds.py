"""No pass beats its lower bound unless an assumption is wrong, and then the explanation says which."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from harness.explain.bounds import bounds, least_bytes
from harness.explain.calls import TINY
from harness.explain.factors import explain
from harness.explain.machine_limits import UNKNOWN, allowed
from harness.explain.parts import Part, distinct_parts
from harness.explain.replay import Replay, Timed
from harness.explain.roofline import Roofline
from harness.job import Variant
from harness.measure.stats import Estimate
from harness.records.ceilings import Ceilings, Pass, Probe
from harness.workload.workload import Workload
from tests.helpers.jobs import PLAIN

EAGER = Variant("torch", "eager")
NETWORK = Workload.of("mlp", {"batch": 64, "depth": 3, "width": 64})
PARTS = distinct_parts(NETWORK)
LINEAR_FLOPS = 2 * 64**3
RATE, BANDWIDTH = 1e6, 1e4  # FLOP/s and bytes/s: a linear layer takes 0.52 s, a relu 3.3 s


def took(seconds: float, se: float = 0.01) -> Estimate:
    return Estimate(math.log(seconds), se, 7)


def ceilings(**changes: Any) -> Ceilings:
    """Of a machine on which every multiply and copy, of any size, is as fast, and calls are free."""
    product = Pass(LINEAR_FLOPS / RATE, LINEAR_FLOPS, 0)
    linear = {"forward": product, "backward": Pass(2 * LINEAR_FLOPS / RATE, 2 * LINEAR_FLOPS, 0)}
    linear |= {"dX": product, "dW": product}
    probes = [Probe("linear", "64x64", (4096, 4096, 4096), linear)]
    for size in (2**10, 2**14, 2**20):
        copy = Pass(size / BANDWIDTH, 0, size)
        probes.append(Probe("relu", str(size), (size // 8, size // 8), {"forward": copy, "backward": copy}))
    free = {name: dict.fromkeys(TINY, 1e-9) for name in ("forward", "backward")}
    return replace(Ceilings({}, free, tuple(probes)), **changes)


def replay_of(parts: list[Part], faster: dict[str, float] | None = None, whole: float = 60.0) -> Replay:
    """Each pass takes twice its bound, or less by the factor that its op has."""
    timed = {}
    for part in parts:
        seconds = {}
        for name in ("forward", "backward"):
            flops = part.works[name].flops if name in part.works else 0
            least = max(flops / RATE, least_bytes(part, name) / BANDWIDTH) if name in part.works else 0.0
            seconds[name] = 2 * least / (faster or {}).get(part.op, 1.0)
        backward = took(seconds["backward"])
        sides = {name: took(seconds["backward"] / 2) for name in part.wanted[1:]}
        timed[part] = Timed(took(seconds["forward"]), backward, **sides)
    tiny = {name: Timed(took(1e-9), took(1e-9)) for name in TINY}
    return Replay(took(whole), took(2 * whole), took(2.0), tiny, timed, {})


def said(parts: list[Part], measured: Replay, given: Ceilings | None = None) -> list[str]:
    explained = explain(measured, parts)
    return list(allowed(given or ceilings(), EAGER, parts, measured, explained, PLAIN).content["beaten"])


def test_a_bound_is_what_takes_longer_of_multiplies_and_memory() -> None:
    measured = replay_of(PARTS)
    limits = {
        (limit.part.op, limit.name): limit
        for limit in bounds(Roofline(ceilings()), measured, explain(measured, PARTS))
        if limit.part.count > 1
    }
    linear, relu = limits["linear", "backward"], limits["relu", "forward"]
    assert (linear.by, relu.by) == ("memory", "memory"), "at 10 kB/s"
    fast = ceilings(probes=tuple(p for p in ceilings().probes if p.kind != "relu") + _copies(1e9))
    limits = {
        (limit.part.op, limit.name): limit
        for limit in bounds(Roofline(fast), measured, explain(measured, PARTS))
        if limit.part.count > 1
    }
    assert limits["linear", "backward"].by == "multiplies"
    assert limits["linear", "backward"].least_s == pytest.approx(2 * LINEAR_FLOPS / RATE, rel=1e-6)
    assert limits["relu", "forward"].by == "memory"


def _copies(bandwidth: float) -> tuple[Probe, ...]:
    copies = ((size, Pass(size / bandwidth, 0, size)) for size in (2**10, 2**20))
    return tuple(
        Probe("relu", str(size), (size // 8, size // 8), {"forward": copy, "backward": copy}) for size, copy in copies
    )


def test_a_pass_that_no_copy_is_small_enough_for_is_bound_by_its_calls() -> None:
    measured = replay_of(PARTS)
    large = tuple(p for p in ceilings().probes if p.kind != "relu" or p.shape == str(2**20))
    result = allowed(ceilings(probes=large), EAGER, PARTS, measured, explain(measured, PARTS), PLAIN)
    (relu,) = (row for row in result.rows if row[0] == "relu" and row[2] == "forward")
    assert relu[3:5] == ["", "calls"] and relu[6] == ""


def test_nothing_is_said_where_no_pass_beats_its_bound() -> None:
    assert not said(PARTS, replay_of(PARTS))


@pytest.mark.parametrize(
    ("op", "factor", "reason"),
    [("relu", 4.0, "stay in a nearer cache"), ("relu", 40.0, "are not moved"), ("linear", 4.0, "nearer cache")],
)
def test_a_pass_below_its_bound_names_the_assumption_that_is_wrong(op: str, factor: float, reason: str) -> None:
    texts = said(PARTS, replay_of(PARTS, {op: factor}))
    assert all(f"of {op} " in text and reason in text for text in texts)
    assert {text.split()[0] for text in texts} == {"forward", "backward"}


def test_multiplies_that_are_too_fast_make_their_ceiling_doubtful() -> None:
    fast = ceilings(probes=tuple(p for p in ceilings().probes if p.kind != "relu") + _copies(1e9))
    measured = replay_of(PARTS, {"linear": 1e3})
    texts = said(PARTS, measured, fast)
    assert any("by multiplies: the ceiling was measured too low" in text for text in texts)


def test_a_convolution_may_have_fewer_multiplies_than_are_counted() -> None:
    parts = distinct_parts(Workload.of("op", {"op": "conv2d", "image": 8, "batch": 2, "channels": 8}))
    fast = ceilings(probes=tuple(p for p in ceilings().probes if p.kind != "relu") + _copies(1e9))
    texts = said(parts, replay_of(parts, {"conv2d": 1e3}), fast)
    assert texts and all("Winograd" in text for text in texts if "of the whole" not in text)


def test_a_pass_whose_interval_reaches_its_bound_does_not_beat_it() -> None:
    parts = PARTS
    measured = replay_of(parts, {"relu": 2.2})
    unsure = {
        part: replace(timed, forward=replace(timed.forward, se=0.2), backward=took(1e3) if part.op != "relu" else None)
        for part, timed in measured.timed.items()
    }
    assert any("forward of relu" in text for text in said(parts, measured))
    assert not any("forward of relu" in text for text in said(parts, replace(measured, timed=unsure)))


def test_a_whole_below_its_ops_bounds_hands_arrays_on() -> None:
    texts = said(PARTS, replay_of(PARTS, whole=1.0))
    assert [text.split()[0] for text in texts] == ["forward", "backward"]
    assert all("of the whole" in text and "does not go through memory" in text for text in texts)


def test_without_ceilings_nothing_is_written_and_with_useless_ones_it_is_said() -> None:
    measured = replay_of(PARTS)
    explained = explain(measured, PARTS)
    assert allowed(None, EAGER, PARTS, measured, explained, PLAIN) == UNKNOWN
    useless = allowed(ceilings(probes=()), EAGER, PARTS, measured, explained, PLAIN)
    assert not useless.content
    assert useless.texts == ["no bounds: what this machine allows could not be measured"]


def test_the_prediction_stands_beside_what_was_measured() -> None:
    measured = replay_of(PARTS)
    result = allowed(ceilings(), EAGER, PARTS, measured, explain(measured, PARTS), PLAIN)
    assert result.content["predicted"]["predicted_ratio"] > 0
    assert result.texts[-1].startswith("predicted from FLOPs, bytes and this machine's ceilings: ratio ")


def test_ops_alone_of_another_execution_predict_with_a_network_and_are_no_bounds() -> None:
    compiled, measured = replace(EAGER, execution="compile"), replay_of(PARTS, faster={"relu": 10.0})
    explained = explain(measured, PARTS)
    networks = {"layers": {"forward": 1.0, "backward": 2.0}}
    lent = ceilings(conditions={"precision": "fp32"}, networks=networks)
    result = allowed(lent, compiled, PARTS, measured, explained, PLAIN)
    assert result.content.keys() == {"predicted"} and not result.rows
    (text,) = result.texts
    assert text.startswith("predicted from FLOPs")
    alone = allowed(replace(lent, networks={"layers": {}}), compiled, PARTS, measured, explained, PLAIN)
    assert alone.content == {"predicted": {}} and not alone.texts


def test_arrays_that_both_gradients_read_are_counted_once() -> None:
    parts = distinct_parts(
        Workload.of("op", {"op": "layer_norm", "batch": 2, "tokens": 8, "width": 64}, gradients="both")
    )
    (norm,) = parts
    array, weights = 2 * 8 * 64, 64
    assert least_bytes(norm, "backward") == 4 * (array + array + 2 * weights + weights)
    assert norm.bytes("backward") > least_bytes(norm, "backward")
