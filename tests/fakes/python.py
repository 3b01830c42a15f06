"""Stands in for a framework's own Python: `-m module` and `-c code`, with the fake adapters beside the real ones."""

import runpy
import sys
from pathlib import Path

ADAPTERS = Path(__file__).parent / "adapters"

flag, what, *rest = sys.argv[1:]
if flag == "-m":
    sys.path[0] = str(Path.cwd())  # as Python itself does for -m
    import adapters

    adapters.__path__.append(str(ADAPTERS))
    sys.argv[1:] = rest
    runpy.run_module(what, run_name="__main__", alter_sys=True)
else:
    sys.path[0] = str(ADAPTERS)  # so that a fake framework can be found as a module
    exec(what)
