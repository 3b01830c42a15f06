"""Measures workloads: workers, clock, rounds, statistics. Imports no framework."""
