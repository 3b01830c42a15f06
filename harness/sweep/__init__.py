"""Runs sweeps: decides what is outstanding, holds the device, measures each job and publishes its records."""
