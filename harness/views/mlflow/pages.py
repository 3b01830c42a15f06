"""The addresses of MLflow's pages, and which sweeps have one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from .client import open_client

if TYPE_CHECKING:
    from mlflow.entities import Run

FINDINGS, REPORT = "findings.md", "report.html"  # artifacts of a summary run

# MLflow opens the panel of its assistant on a page of 127.0.0.1 or localhost. Browsers take any name that ends in
# .localhost for this machine.
NAME = "twofold.localhost"
USUAL_PORT = 5000  # of `make ui`

# Without this, MLflow opens the pages of its assistant for language models.
_KIND = {"workflowType": "machine_learning"}
_SUMMARIES = 10  # of a study, the latest first


@dataclass(frozen=True)
class Page:
    """The findings of a sweep in MLflow: the arranged page of its runs, and the run that summarises them.

    `key` is that of the shared view.
    """

    title: str
    experiment: str
    run: str
    key: str
    answer: str
    has_report: bool

    @classmethod
    def of(cls, run: Run) -> Page:
        """The page of a summary run."""
        tags = run.data.tags
        title = run.info.run_name.removeprefix("findings of ")
        return cls(title, run.info.experiment_id, run.info.run_id, tags["cells"], tags["answer"], "report" in tags)

    def links(self, server: str) -> dict[str, str]:
        """The addresses on a server, `http://host:port`, by what they show."""
        kind, view = urlencode(_KIND), {"viewStateShareKey": self.key}
        runs = f"{server}/#/experiments/{self.experiment}/runs"
        artifacts = f"{runs}/{self.run}/artifacts"
        links = {
            "charts": f"{runs}?{urlencode(view | _KIND | {'compareRunsMode': 'CHART'})}",
            "table": f"{runs}?{urlencode(view | _KIND)}",
            "findings": f"{artifacts}/{FINDINGS}?{kind}",
        }
        return links | ({"report": f"{artifacts}/{REPORT}?{kind}"} if self.has_report else {})


@dataclass(frozen=True)
class Study:
    """An experiment that holds our runs, with a page for each of its latest sweeps, the latest first."""

    name: str
    experiment: str
    pages: Sequence[Page]
    latest_ms: int

    def plain_link(self, server: str) -> str:
        """The address of all runs, as any version of MLflow shows them."""
        return f"{server}/#/experiments/{self.experiment}/runs?{urlencode(_KIND | {'compareRunsMode': 'CHART'})}"


def local_server(port: int, name: str = NAME) -> str:
    """The address of the server that `make ui` starts."""
    return f"http://{name}:{port}"


def lines_of(pages: Sequence[Page], server: str) -> list[str]:
    """The links of several pages, below a line for each."""
    lines = []
    for page in pages:
        lines.append(f"  {page.title}")
        lines += [f"    {what:<9} {link}" for what, link in page.links(server).items()]
    return lines


def studies(uri: str) -> list[Study]:
    """List the experiments that hold our runs, the one that was measured last first."""
    client = open_client(uri)
    listed = []
    for experiment in client.search_experiments():
        number = experiment.experiment_id
        latest = client.search_runs([number], "tags.kind = 'variant'", max_results=1)
        if latest:
            summaries = client.search_runs([number], "tags.kind = 'summary'", max_results=_SUMMARIES)
            pages = [Page.of(run) for run in summaries]
            listed.append(Study(experiment.name, number, pages, latest[0].info.start_time))
    return sorted(listed, key=lambda study: study.latest_ms, reverse=True)
