"""The machine that measures: what it is, what it has, and what else it does meanwhile."""
