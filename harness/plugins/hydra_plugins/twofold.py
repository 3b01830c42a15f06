"""Where Hydra looks for plugins: it accepts those of the namespace package `hydra_plugins` only."""

from harness.sweep import sweeper


class StudySweeper(sweeper.StudySweeper):
    __doc__ = sweeper.StudySweeper.__doc__
