"""Cold caches as a setting, and what cannot be had with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from omegaconf import DictConfig

from harness.config.expand import job_from
from harness.errors import UserError


def test_caches_are_warm_unless_chosen(composed: Callable[..., DictConfig]) -> None:
    assert job_from(composed("device=cpu")).measure.cache == "warm"
    assert job_from(composed("device=cpu", "measure=standard", "measure.cache=cold")).measure.cache == "cold"
    with pytest.raises(UserError, match=r"^measure.cache=tepid: not known; choose from warm, cold"):
        job_from(composed("device=cpu", "measure.cache=tepid"))


@pytest.mark.parametrize("other", ["explain", "measure.energy"])
def test_what_runs_calls_one_right_after_the_other_is_refused(composed: Callable[..., DictConfig], other: str) -> None:
    with pytest.raises(UserError, match=f"^measure.cache=cold: {other}=true runs calls one right after the other"):
        job_from(composed("device=cpu", "measure.cache=cold", f"{other}=true"))
