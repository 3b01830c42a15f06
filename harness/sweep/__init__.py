"""Runs sweeps: decides which variants are outstanding, locks the device, measures each job, publishes the records."""
