"""Is it normal? The place of a measured ratio among the published ones of its family, device class and era."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..records.record import Record
from .read import Published, device_class, era, family_of, published

_SHOWN = {"cpu": "CPU", "consumer gpu": "consumer GPU", "server gpu": "server GPU"}
FEWEST = 3  # published ratios make a group; of fewer, the next wider group is taken


@dataclass(frozen=True)
class Place:
    """A ratio among published ones.

    Attributes:
        family: the family of networks or ops.
        group: the published measurements that it is placed among, the most similar ones of which there are enough.
        like: how similar they are besides: `CPU of the same years`, `CPU`, or `any device`.
        below: how many of them are below the ratio.
        low: the lower end of the ratio's interval, or the ratio itself if it has none.
        high: the upper end.
    """

    family: str
    group: tuple[Published, ...]
    like: str
    below: int
    low: float
    high: float

    @property
    def ratios(self) -> list[float]:
        """The published ratios, smallest first."""
        return sorted(entry.ratio for entry in self.group)

    @property
    def word(self) -> str:
        """`within`, `below all` or `above all`; `cannot tell` if it lies outside all and its interval does not."""
        least, *_, most = self.ratios
        if 0 < self.below < len(self.group):
            return "within"
        return "below all" if self.high < least else "above all" if self.low > most else "cannot tell"

    @property
    def among(self) -> str:
        """The group in words: how many, of what, from when, and the range of all and of the middle half of them."""
        ratios, years = self.ratios, sorted({entry.source.year for entry in self.group})
        when = f"{years[0]} to {years[-1]}" if len(years) > 1 else str(years[0])
        low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return (
            f"{len(ratios)} published ratios of this family ({self.family}, {self.like}, {when}) are "
            f"{ratios[0]:.2f} to {ratios[-1]:.2f}, half of them {low:.2f} to {high:.2f}"
        )


def place(record: Record) -> Place | None:
    """Place a record's ratio; None if it has none, or nothing comparable was published."""
    entries, ratio = published(family_of(record)), record.metrics.get("ratio")
    if ratio is None or not entries:
        return None
    group, like = _most_similar(entries, device_class(record), era(int(record.created[:4])))
    low, high = (record.metrics.get(name, ratio) for name in ("ratio_low", "ratio_high"))
    return Place(entries[0].family, group, like, sum(entry.ratio < ratio for entry in group), low, high)


def _most_similar(
    entries: Sequence[Published], device: str, span: tuple[int, int]
) -> tuple[tuple[Published, ...], str]:
    """Choose the published measurements that are most similar, and say what they share with the measured one."""
    on_device = tuple(entry for entry in entries if entry.device == device)
    recent = tuple(entry for entry in on_device if entry.era == span)
    if len(recent) >= FEWEST:
        return recent, f"{_SHOWN[device]} of the same years"
    if len(on_device) >= FEWEST:
        return on_device, _SHOWN[device]
    return tuple(entries), "any device"


def sentences(records: Sequence[Record]) -> list[str]:
    """Say of each family how its ratios lie among the published ones; nothing if none were published."""
    by_group: dict[str, list[Place]] = {}
    for record in records:
        if found := place(record):
            by_group.setdefault(found.among, []).append(found)
    return [f"{among}; here {_counted(places)}." for among, places in by_group.items()]


def _counted(places: Sequence[Place]) -> str:
    """`2 are within, 1 is below all`."""
    counts = Counter(found.word for found in places)
    untold = counts.pop("cannot tell", 0)
    said = [f"{count} {'is' if count == 1 else 'are'} {word}" for word, count in counts.most_common()]
    return ", ".join([*said, *([f"{untold} cannot be told"] if untold else [])])
