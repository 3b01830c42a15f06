"""Records without a measurement."""

from tests.helpers.records import failed, judged, record, variant

__all__ = ["failed", "judged", "record", "variant"]
