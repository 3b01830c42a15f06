"""Turns the configs that Hydra composes into checked jobs."""
