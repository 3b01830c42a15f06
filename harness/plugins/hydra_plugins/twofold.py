"""Makes the sweeper a Hydra plugin: Hydra accepts plugins only from the namespace package `hydra_plugins`."""

from harness.sweep import sweeper


class StudySweeper(sweeper.StudySweeper):
    __doc__ = sweeper.StudySweeper.__doc__
