"""How MLflow's database and the folder of records grow with a sweep: `python -m tests.bench.database [RUNS]`.

One cell is measured for real; its record is copied under other names, and each copy is logged as the harness logs it:
to a database file (tracking=local), and to an MLflow server on PostgreSQL (tracking=server), if that is installed. All
are cells of one sweep. Seconds are those of a clock, since most of the work is done by the database and the server.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import sqlalchemy

from harness.records.record import Record, read, read_head, records
from harness.views.mlflow.client import local_uri
from harness.views.mlflow.tracker import Tracker
from tests.bench.copies import copy, measured
from tests.helpers.mlflow_server import MlflowServer
from tests.helpers.postgres import BIN, PASSWORD, USER, postgres

RUNS = 5_000
STUDY = "growth"


@dataclass(frozen=True)
class Store:
    """Where runs are logged: what it is called, its address, and how to tell its size in bytes."""

    name: str
    uri: str
    size: Callable[[], int]


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes, by the clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def sqlite(results: Path) -> Store:
    """The database file beside the records."""
    return Store("sqlite", local_uri(results), lambda: (results / "mlflow.db").stat().st_size)


@contextmanager
def on_postgres(folder: Path) -> Iterator[Store | None]:
    """An MLflow server on a PostgreSQL of its own; None if that is not installed."""
    if not (BIN / "postgres").exists() or importlib.util.find_spec("psycopg2") is None:
        yield None
        return
    with postgres() as port:
        address = f"postgresql+psycopg2://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"
        engine = sqlalchemy.create_engine(address)

        def size() -> int:
            with engine.connect() as connection:
                return int(connection.execute(sqlalchemy.text("select pg_database_size('postgres')")).scalar_one())

        server = MlflowServer(folder, address)
        server.start()
        try:
            yield Store("a server on PostgreSQL", server.uri, size)
        finally:
            server.stop()
            engine.dispose()


def grow(store: Store, record: Record, sizes: list[int], results: Path) -> None:
    """Log copies until there are as many runs as each of the sizes, and print what that took and what a look takes."""
    folder = results / "records" / STUDY / record.sweep
    tracker = Tracker(store.uri, STUDY, results)
    empty, logged = store.size(), 0
    for size in sizes:
        copy([record], range(logged, size), folder)
        heads = [read_head(path) for path in records(folder)]
        caught_up_s = seconds(partial(tracker.catch_up, folder))
        looked_up_s = seconds(partial(tracker.catch_up, folder))
        summed_up_s = seconds(partial(tracker.summarise, heads, None, folder))
        each_s = (caught_up_s - looked_up_s) / (size - logged)
        each_kib = (store.size() - empty) / size / 1024
        logged = size
        print(
            f"{store.name}, {size} runs of one sweep: {1000 * each_s:.0f} ms to log each and {each_kib:.1f} KiB of "
            f"database; {looked_up_s:.1f} s to find that all are logged, {summed_up_s:.1f} s for the summary",
            flush=True,
        )


def read_all(folder: Path) -> None:
    """Print what the records of a folder take to keep and to read."""
    paths = list(records(folder))
    bytes_each = sum(path.stat().st_size for path in paths) / len(paths)
    heads_s = seconds(lambda: [read_head(path) for path in paths])
    whole_s = seconds(lambda: [read(path) for path in paths])
    print(
        f"{len(paths)} records: {bytes_each / 1024:.1f} KiB each; {1e3 * heads_s / len(paths):.2f} ms to read each "
        f"without samples, as planning does, and {1e3 * whole_s / len(paths):.2f} ms with them",
        flush=True,
    )


def main(runs: int) -> int:
    """Print the figures at a fiftieth, a fifth and all of the runs."""
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "120"
    sizes = sorted({max(1, runs // 50), max(1, runs // 5), runs})
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        (record,) = measured(Path(temporary) / "measured", "model=mlp", "variants=torch", "variants.torch=[eager]")
        local = Path(temporary) / "local"
        grow(sqlite(local), record, sizes, local)
        read_all(local / "records" / STUDY / record.sweep)
        with on_postgres(Path(temporary)) as store:
            if store:
                grow(store, record, sizes, Path(temporary) / "served")
            else:
                print("PostgreSQL or psycopg2 is not installed, so a server's database was not grown")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else RUNS))
