"""Published ratios: each has its source, and a measured ratio its place among them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.published.place import place, sentences
from harness.published.read import ERAS, families, published, sources
from harness.records.record import Record
from harness.workload.models import MODELS
from harness.workload.ops import CATALOGUE
from tests.helpers.records import record

__all__ = ["record"]

FAMILIES = sorted(set(families().values()))


@pytest.fixture
def resnet(record: Callable[..., Record]) -> Callable[..., Record]:
    """A ResNet-18 on a CPU with a ratio and its interval."""
    return lambda *ratio: record(ratio=ratio, model="resnet18")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_published_time_can_be_cited_and_makes_a_ratio(family: str) -> None:
    assert published(family)
    for entry in published(family):
        assert entry.source.url.startswith("https://") and ERAS[0][0] < entry.source.year < ERAS[-1][1]
        assert entry.device in ("cpu", "consumer gpu", "server gpu")
        assert entry.hardware and entry.software and entry.precision and entry.model
        assert 0 < entry.ratio < 100


def test_every_source_is_used() -> None:
    assert {entry.source.key for family in FAMILIES for entry in published(family)} == sources().keys()


def test_families_are_of_models_and_ops_that_exist() -> None:
    for name in families():
        assert name in MODELS or name.removeprefix("op ") in CATALOGUE


def test_a_ratio_is_compared_with_its_own_kind_of_hardware(resnet: Callable[..., Record]) -> None:
    found = place(resnet(1.55, 1.6, 1.65))
    assert found and {entry.device for entry in found.group} == {"cpu"}
    assert found.word == "within" and 0 < found.below < len(found.group)


@pytest.mark.parametrize(
    ("ratio", "word"),
    [((1.0, 1.1, 1.2), "below all"), ((2.9, 3.0, 3.1), "above all"), ((1.4, 1.5, 1.62), "cannot tell")],
)
def test_a_ratio_is_outside_only_if_its_whole_interval_is(
    resnet: Callable[..., Record], ratio: tuple[float, float, float], word: str
) -> None:
    found = place(resnet(*ratio))
    assert found and found.word == word


def test_where_nothing_was_published_nothing_is_said(record: Callable[..., Record]) -> None:
    assert place(record()) is None and sentences([record()]) == []


def test_ratios_of_one_family_share_a_sentence(resnet: Callable[..., Record]) -> None:
    said = sentences([resnet(1.0, 1.1, 1.2), resnet(1.55, 1.6, 1.65)])
    assert len(said) == 1 and said[0].endswith("1 is below all, 1 is within.")
