"""Records: one file per variant, its metrics, and everything derived from a single record."""
