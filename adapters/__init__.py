"""One module or folder per framework; `base.py` is the contract. Importing this package imports no framework.

A folder has the same file for the same thing, as far as its framework has the thing: `environment.py`, read when the
framework is imported; `adapter.py`, the class; `ops.py` with `images.py`, `norms.py`, `sequence.py` and `recurrent.py`,
the catalogue; `eager.py` and `compiled.py`, the programs, and `executable.py`, one compiled function; `autodiff.py`,
`manual.py` and `primitives.py`, the gradients of the framework and those of the catalogue's rules; `split.py`, forward
and backward apart; `update.py`, an optimizer's step; `counting.py`, `residuals.py` and `departures.py`, what runs
and is kept, and how that is not what was asked. `common/` has what frameworks share.
"""
