"""Checks what Hydra composes, and turns it into jobs."""
