"""The instrument against known truth: `make selfcheck`. Prints a line for each check, stores what it found."""
