"""NumPy's array primitives where size matters."""

from __future__ import annotations

import tracemalloc

import numpy as np

from harness.workload import primitives


def test_one_hot_takes_no_more_than_its_result() -> None:
    """A row for each possible id, as `np.eye` has them, would be 20 GB for the vocabulary of GPT-2."""
    ids, n = np.array([[3, 0], [4999, 3]], np.int32), 5000
    tracemalloc.start()
    rows = primitives.one_hot(ids, n, np.zeros((), np.float64))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows.shape == (2, 2, n) and rows.dtype == np.float64
    assert rows.sum() == 4 and all(rows[i, j, ids[i, j]] == 1 for i, j in np.ndindex(ids.shape))
    assert peak < 2 * rows.nbytes
