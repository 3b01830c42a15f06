"""Records without a measurement."""

from tests.helpers.records import judged, record

__all__ = ["judged", "record"]
