"""The forward maths of ops against an independent, slower version of it; of ops without one, frameworks are that."""

from __future__ import annotations

import numpy as np
import pytest

from harness.workload import primitives
from harness.workload.ops import CATALOGUE
from tests.helpers import textbook
from tests.helpers.op_cases import CASES, Case


@pytest.mark.parametrize("case", [case for case in CASES if hasattr(textbook, case.op)], ids=str)
def test_forward_is_the_textbook_formula(case: Case) -> None:
    arrays = case.arrays()
    found, _ = CATALOGUE[case.op].forward(primitives, *arrays, **case.attrs)
    expected = getattr(textbook, case.op)(*arrays, **case.attrs)
    if not isinstance(found, tuple):
        found, expected = (found,), (expected,)
    for part, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(part, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_large_logits_do_not_overflow(op: str) -> None:
    found = getattr(primitives, op)(np.array([[1e4, 1e4, -1e4]]))
    assert np.isfinite(found).all()
