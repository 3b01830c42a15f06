"""The instrument against known truth: `make selfcheck` prints a line per check and stores this machine's noise."""
