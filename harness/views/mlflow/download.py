"""Downloads the records that an experiment holds as artifacts."""

from __future__ import annotations

from pathlib import Path

from .client import open_client


def download_records(uri: str, experiment: str, folder: Path) -> list[Path]:
    """Download the newest record of each cell of an experiment to files below `folder`."""
    client = open_client(uri)
    stored = client.get_experiment_by_name(experiment)
    if stored is None:
        return []
    newest = {}
    whole = "tags.kind = 'variant' and attributes.status != 'RUNNING'"
    for run in client.search_runs([stored.experiment_id], whole, order_by=["attributes.start_time"]):
        newest[run.data.tags["cell"]] = run.info.run_id
    paths = []
    for run_id in newest.values():
        target = folder / run_id
        target.mkdir()
        paths += [
            Path(client.download_artifacts(run_id, item.path, str(target))) for item in client.list_artifacts(run_id)
        ]
    return paths
