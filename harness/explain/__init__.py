"""Explains a measured ratio: each op call of a workload replayed alone, and the ratio as a product of causes."""
