"""FLOPs that ran, and those asked for."""

from __future__ import annotations

import pytest

from harness.records.flops import executed, ratios

ASKED = {"forward_flops": 6.0, "backward_flops": 11.0}


@pytest.mark.parametrize(
    ("ran", "ratio"),
    [
        ({}, 11 / 6),  # not counted
        ({"executed_forward_flops": 6.0, "executed_backward_flops": 17.0}, 17 / 6),  # a checkpoint
        ({"executed_forward_flops": 6.0, "executed_backward_flops": 4.0}, 11 / 6),  # the rest is no multiply in XLA
    ],
)
def test_the_ratio_is_of_what_ran_beside_what_was_asked(ran, ratio):
    assert ratios(ASKED | ran) == {"ratio_flops": ratio, "ratio_flops_asked": 11 / 6}


def test_what_multiplies_nothing_has_no_ratio():
    assert ratios({"forward_flops": 0.0, "backward_flops": 0.0}) == {}
    assert executed({}, "forward") == 0
