"""How long a text may be in MLflow's databases. SQLite takes any; PostgreSQL refuses the run whose tag is longer."""

from __future__ import annotations

RUN_TAG = 8_000  # characters, as MLflow makes its tables


def longest_tag(uri: str) -> int | None:
    """The most characters that a run's tag may have; None for no limit. A server's database may be PostgreSQL too."""
    return None if uri.startswith("sqlite:") else RUN_TAG


def shortened(text: str, most: int | None, file: str) -> str:
    """Cut a text that has more than `most` characters at the end of a line, and say which artifact has all of it."""
    if most is None or len(text) <= most:
        return text
    said = f"\n\nThe rest is too long for MLflow; it stands in {file}."
    room = text[: most - len(said)]
    return (room.rpartition("\n")[0] or room) + said
