"""What is kept: one record per variant, its metrics, and what is derived from it alone."""
