"""What all adapter tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers import inductor


@pytest.fixture(scope="module", name="no_code_generation")
def _no_code_generation() -> Iterator[None]:
    """See `inductor.py`."""
    with inductor.no_code_generation():
        yield
