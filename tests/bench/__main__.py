"""`make bench`: every benchmark in turn, each in processes of its own. Exit code 1 if one misses its figure."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from tests.bench.neural_cost import INSTALL

BENCHMARKS = (
    ["tests.bench.spread"],
    ["tests.bench.between_processes"],
    ["tests.bench.overhead"],
    ["tests.bench.resume"],
    ["tests.bench.own_model"],
)


def main() -> int:
    """Run all, also after one that misses."""
    codes = []
    benchmarks = [*BENCHMARKS, *([["tests.bench.neural_cost"]] if find_spec("neural_cost") else [])]
    for benchmark in benchmarks:
        print(f"== {' '.join(benchmark)}", flush=True)
        codes.append(subprocess.run([sys.executable, "-m", *benchmark], check=False).returncode)
    if find_spec("neural_cost") is None:
        print(f"tests.bench.neural_cost left out: {INSTALL}")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
