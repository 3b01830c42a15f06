"""How workloads are measured: workers, clock, rounds, statistics. Imports no framework."""
