"""The checks that only a machine with a GPU can run."""
