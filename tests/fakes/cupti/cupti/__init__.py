"""Stands in for cupti-python, which needs NVIDIA's libraries."""
