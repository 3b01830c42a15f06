"""A real SLURM, for all tests that ask for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers import slurm as helper


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[helper.Slurm]:
    """Two idle nodes; the commands of SLURM in this process, and in those that it starts, speak to them."""
    if why := helper.lacking():
        pytest.skip(why)
    made = helper.Slurm(tmp_path_factory.mktemp("slurm"))
    with pytest.MonkeyPatch.context() as patch:
        try:
            made.start()
            for name in ("SLURM_CONF", "PATH"):
                patch.setenv(name, made.environment[name])
            yield made
        finally:
            made.stop()
