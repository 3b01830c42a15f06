"""Packages that are hidden from a framework while it is imported."""

from __future__ import annotations

import sys

import pytest

from adapters.common.optional_packages import hidden


def test_a_hidden_package_is_found_again_later() -> None:
    sys.modules.pop("wave", None)
    with hidden("wave"), pytest.raises(ImportError):
        import wave  # noqa: F401
    import wave as found

    assert found is sys.modules["wave"]


def test_what_is_loaded_already_stays_loaded() -> None:
    import json

    with hidden("json"):
        assert sys.modules["json"] is json
    assert sys.modules["json"] is json
