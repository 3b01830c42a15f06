"""Tests that share what they load run in one process."""

from __future__ import annotations

import pytest


def test_a_group_is_kept_together(request):
    """pytest-xdist writes it behind a test's name. Without it, programs are compiled anew in each process: minutes."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("these tests all run in one process")
    assert request.node.nodeid.endswith("@test_groups.py")
