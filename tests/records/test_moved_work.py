"""Work that runs in the other pass, or once more, is named with its multiplies and its share of the FLOPs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.records.moved_work import recomputed, remark, sentences
from harness.records.record import Phase, Record
from harness.views.notes import notes
from harness.workload.cost import cost
from harness.workload.workload import Workload

GPT2 = {"batch": 2, "tokens": 8, "layers": 2, "width": 16, "heads": 2, "vocabulary": 50, "context": 8}
WORKLOAD = Workload.of("gpt2", GPT2)
TABLE = cost(WORKLOAD.graph)
SCORES = "torch's fused attention computes q k again in the backward pass."


@pytest.fixture(name="counted")
def _counted(record: Callable[..., Record]) -> Callable[..., Record]:
    """A record of a small GPT-2 that executes so many multiplies and FLOPs more than its trace."""

    def make(
        forward: tuple[int, int] = (0, 0), backward: tuple[int, int] = (0, 0), note: str = "", **choices: Any
    ) -> Record:
        made = record(workload=WORKLOAD.as_dict(), choices=choices)
        for name, work, (matmuls, flops) in (
            ("forward", TABLE.forward, forward),
            ("backward", TABLE.backward, backward),
        ):
            phase = made.phases[name] = replace(made.phases.get(name, Phase()))
            phase.asked_matmuls, phase.asked_flops = work.matmuls, work.flops
            phase.matmuls, phase.flops = work.matmuls + matmuls, work.flops + flops
        made.phases["backward"].note = note
        return made

    return make


def share(flops: int) -> float:
    return flops / TABLE.forward.flops


def test_a_record_that_executes_what_its_trace_has_says_nothing(counted: Callable[..., Record]) -> None:
    assert not sentences(counted())
    assert not sentences(counted(backward=(-1, -10))), "what a compiler computes element by element is no work moved"
    assert not notes([counted()], ["gpt2"])


def test_scores_that_are_computed_again_are_named_with_their_share(counted: Callable[..., Record]) -> None:
    more = TABLE.forward.flops // 100
    made = counted(backward=(2, more), note=SCORES)
    whole = share(TABLE.backward.flops + more)
    assert sentences(made) == [
        f"moved work: 2 multiplies more in backward, 0.01 of {whole:.2f}: {SCORES.removesuffix('.')}"
    ]
    (note,) = notes([made], ["gpt2 torch eager"])
    assert note.sentence == (
        f"backward: {SCORES.removesuffix('.')}: gpt2 torch eager, 2 multiplies more in backward, 0.01 of {whole:.2f}"
    )


def test_what_a_checkpoint_computes_again_is_named_op_by_op(counted: Callable[..., Record]) -> None:
    made = counted(backward=(14, TABLE.forward.flops // 2), residuals="blocks")
    assert recomputed(made) == {"linear": 6, "attention": 2}
    (said,) = sentences(made)
    assert said.startswith("moved work: 14 multiplies more in backward, 0.50 of")
    assert "(linear 6, attention 2)" in said
    assert said.endswith("what forward did not keep is computed again")
    (note,) = notes([made], ["gpt2 torch eager"])
    assert note.sentence.startswith(
        "backward computes again what forward did not keep, as was chosen: gpt2 torch eager"
    )


def test_gradient_work_in_forward_is_named(counted: Callable[..., Record]) -> None:
    moved = TABLE.forward.flops // 4
    made = counted(forward=(3, moved), backward=(-3, -moved))
    assert remark(made, "forward") == "3 multiplies of backward run in forward, 0.25 of 1.25"
    assert not remark(made, "backward")
    assert remark(counted(forward=(3, moved)), "forward") == "3 multiplies more in forward, 0.25 of 1.25"
