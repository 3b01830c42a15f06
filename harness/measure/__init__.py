"""How it is measured: workers, clock, rounds, statistics. Imports no framework."""
