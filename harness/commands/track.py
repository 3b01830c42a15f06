"""Rebuilds MLflow from records: `python -m harness.commands.track [URI] [RESULTS]`. Runs that exist are kept."""

from __future__ import annotations

import sys
from pathlib import Path

from ..claims.verdicts import verdict_on
from ..errors import UserError, first_line, masked
from ..records.record import read, records
from ..sweep.reachable import check_address
from ..views.mlflow.client import local_uri
from ..views.mlflow.tracker import Tracker
from ..views.plural import plural


def main(uri: str, results: Path) -> int:
    """Log missing records, sweep by sweep. Returns exit code 2 if records cannot be read or MLflow fails."""
    sweeps = [folder for folder in sorted(results.glob("records/*/*")) if any(records(folder))]
    if not sweeps:
        print(f"twofold: {results / 'records'}: no records there; run make sweep first", file=sys.stderr)
        return 2
    uri = uri or local_uri(results)
    try:
        for folder in sweeps:
            measured = [read(path) for path in records(folder)]
            check_address(uri, f"URI={masked(uri)}")
            tracker = Tracker(uri, folder.parent.name, results)
            late = tracker.catch_up(folder)
            tracker.summarise(measured, verdict_on(measured, folder), folder)
            print(f"{folder.parent.name}/{folder.name}: {plural(late, 'run')} logged")
    except UserError as error:
        print(f"twofold: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # MLflow raises what its database, its server and its files raise
        print(
            f"twofold: {masked(uri)}: MLflow did not take the records ({first_line(error)}); they are kept, try again",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "", Path(sys.argv[2] if len(sys.argv) > 2 else "results")))
