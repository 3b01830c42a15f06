"""Runs a sweep's jobs on other machines: submits them through submitit, and waits until none is in the queue."""
