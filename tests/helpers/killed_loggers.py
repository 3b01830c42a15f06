"""Processes that are killed while they log a record to MLflow, each at another moment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.paths import ROOT

# Just after MLflow's migrations have made a table that only half of one needs, and before each call but the first of
# those that log a record.
MAKING = "making the database"
LOGGING = ("log_batch", "log_artifact", "set_terminated")

_LOGGERS = f"""
import os, sys
from pathlib import Path
import mlflow.store.tracking.sqlalchemy_store
from mlflow import MlflowClient
from sqlalchemy import event
from sqlalchemy.engine import Engine
from harness.records.record import read, records
from harness.views.mlflow.tracker import Tracker

def die(*_, **__):
    os.kill(os.getpid(), 9)

def die_half_way(connection, cursor, statement, *_):
    if "CREATE TABLE _alembic_tmp_" in statement:
        die()

uri, study, folder, *moments = sys.argv[1:]
for path, moment in zip(records(Path(folder)), moments):
    if pid := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        continue
    if moment == {MAKING!r}:
        event.listen(Engine, "after_cursor_execute", die_half_way)
    else:
        setattr(MlflowClient, moment, die)
    Tracker(uri, study, Path(folder)).log(read(path), path)
    os._exit(0)
"""


def kill_loggers(uri: str, study: str, folder: Path, moments: Sequence[str]) -> None:
    """Log the records in a folder, one in each of as many processes, and kill each at its moment.

    One process imports MLflow, and forks the others before it opens anything.
    """
    command = [sys.executable, "-c", _LOGGERS, uri, study, str(folder), *moments]
    ended = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ["-9"] * len(moments), ended.stdout + ended.stderr
