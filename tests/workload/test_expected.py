"""What must be executed: what is asked, changed by departures, and how a count is held against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.workload.cost import CallWork, cost, phase_work
from harness.workload.expected import Departure, Departures, Expected, expected
from harness.workload.models import build
from harness.workload.trace import Call, Graph, trace

DEPTH = 3
GRAPH = trace(build("mlp", {"batch": 4, "depth": DEPTH, "width": 8}))
ONE = 2 * 4 * 8 * 8  # FLOPs of any of its multiplies


def twice(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    return replace(asked, backward=asked.backward + asked.backward)


TWICE = Departure("Each is computed twice.", twice)


NONE = Departures()


def wanted(departures: Departures = NONE, **how: Any) -> dict[str, tuple[int, int]]:
    return {phase: (e.least[0], e.most[0]) for phase, e in expected(GRAPH, departures, **how).items()}


@pytest.mark.parametrize("autodiff", ["reverse", "by_hand", "by_hand_recomputed", "jacobian"])
@pytest.mark.parametrize("residuals", ["store", "blocks", "all"])
def test_without_departures_it_is_what_is_asked(residuals: str, autodiff: str) -> None:
    asked = phase_work(GRAPH, residuals, autodiff)
    for phase, found in expected(GRAPH, Departures(), residuals, autodiff).items():
        work = asked[phase].matmuls, asked[phase].flops
        assert found == Expected(least=work, most=work)


def test_a_departure_changes_the_phases_that_run_it_and_says_so_there() -> None:
    found = expected(GRAPH, Departures((TWICE,)))
    backward = 2 * (2 * DEPTH - 1)
    assert found["backward"].least == found["backward"].most == (backward, backward * ONE)
    assert found["gradient"].most == (DEPTH + backward, (DEPTH + backward) * ONE)
    assert found["forward"].most == (DEPTH, DEPTH * ONE)
    assert [phase for phase, e in found.items() if e.says == TWICE.says] == ["backward", "gradient"]


def test_departures_hold_for_each_sides_gradients_too() -> None:
    both = replace(GRAPH, gradients="both")
    found = expected(both, Departures((TWICE,)))
    assert found["backward_inputs"].most[0] == 2 * DEPTH
    assert found["backward_params"].most[0] == 2 * (2 * DEPTH - 1)


def test_a_compiler_may_merge_all_of_a_checkpoint_or_nothing_where_both_passes_are_one_program() -> None:
    found = wanted(Departures(may_merge="It may."), residuals="all")
    assert found["backward"] == (3 * DEPTH - 1,) * 2
    assert found["gradient"] == (3 * DEPTH - 1, 4 * DEPTH - 1)


def test_a_partition_may_keep_all_of_a_checkpoint_or_nothing_in_backward_alone() -> None:
    found = wanted(Departures(may_keep="It may."), residuals="all")
    assert found["backward"] == (2 * DEPTH - 1, 3 * DEPTH - 1)


def test_a_part_that_runs_again_as_a_whole_runs_to_its_last_multiply() -> None:
    assert wanted(residuals="blocks")["backward"] == (3 * DEPTH - 2,) * 2
    assert wanted(Departures(whole="As a whole."), residuals="blocks")["backward"] == (3 * DEPTH - 1,) * 2


def test_a_local_gradients_recomputation_that_is_merged_is_not_there() -> None:
    graph = trace(build("attention", {"batch": 2, "tokens": 6, "width": 16, "heads": 4}))
    table = cost(graph)
    for departures, again in ((Departures(), 2), (Departures(merges="It is merged."), 0)):
        found = expected(graph, departures, autodiff="by_hand_recomputed")["gradient"]
        assert found.least[0] == found.most[0] == table.forward.matmuls + table.backward.matmuls + again


EXACT, RANGE = Expected((5, 50), (5, 50)), Expected((5, 50), (8, 80))


@pytest.mark.parametrize(
    ("expectation", "executed", "recomputed", "fits"),
    [
        (EXACT, (5, 50), None, True),
        (EXACT, (4, 50), None, False),
        (EXACT, (5, 51), None, False),
        (EXACT, (6, 60), (1, 10), False),  # nothing is to be recomputed
        (RANGE, (5, 50), None, True),
        (RANGE, (8, 80), None, True),
        (RANGE, (4, 60), None, False),
        (RANGE, (8, 81), None, False),
        (RANGE, (7, 70), (2, 20), True),
        (RANGE, (7, 70), (3, 30), False),  # one of its own is missing
        (RANGE, (9, 90), (4, 40), False),
    ],
)
def test_a_count_fits_or_a_sentence_names_phase_and_counts(
    expectation: Expected, executed: tuple[int, int], recomputed: tuple[int, int] | None, fits: bool
) -> None:
    said = expectation.failure("backward", executed, recomputed)
    assert (said is None) == fits
    if said:
        assert said.startswith(f"backward executes {executed[0]} multiplies of {executed[1]} FLOPs; expected: ")
        assert "5 multiplies of 50 FLOPs" in said


def test_what_a_departure_changes_must_be_computed_not_named() -> None:
    """A departure that changes nothing explains nothing."""
    named = Departure("It is different.", lambda graph, call, asked: asked)
    found = expected(GRAPH, Departures((named,)))
    assert all(e.says == "" for e in found.values())
    assert found["backward"].failure("backward", (2 * DEPTH - 2, (2 * DEPTH - 2) * ONE))
