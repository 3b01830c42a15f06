"""A user's own model as a config gives it: what is refused, which variants can run it, and what identifies it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.config.expand import as_typed
from harness.config.job import job_of
from harness.errors import UserError
from harness.views.labels import labels
from harness.workload.ops import WorkloadError
from harness.workload.own import OwnWorkload, read_own, write_own
from tests.helpers.typed import planned

FACTORY = "pkg.mine:build"


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package in the current directory, whose module must not be imported here."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("raise AssertionError('imported')")
    (tmp_path / "pkg" / "mine.py").write_text("raise AssertionError('imported')")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({}, "no model was given; say which function builds it, as in model.torch=package.module:build"),
        ({"torch": "pkg.mine"}, "model.torch=pkg.mine is no function; write it as package.module:build"),
        ({"torch": 3}, "model.torch=3 is no function"),
        ({"torch": FACTORY, "width": 3}, "no size is called width; there are torch, jax, keras and arguments"),
        ({"torch": FACTORY, "arguments": [1]}, "must be a mapping of names"),
        ({"torch": FACTORY, "arguments": {"a b": 1}}, "must be a mapping of names"),
    ],
)
def test_a_model_that_names_no_function_is_refused(sizes: Any, says: Any) -> None:
    with pytest.raises(WorkloadError, match=says):
        OwnWorkload.of(sizes)


def test_gradients_that_only_its_own_code_knows_are_refused() -> None:
    with pytest.raises(WorkloadError, match="gradients=params"):
        OwnWorkload.of({"torch": FACTORY}, gradients="both")


def test_a_worker_reads_what_was_written(tmp_path: Path) -> None:
    own = OwnWorkload.of({"torch": FACTORY, "keras": None, "arguments": {"width": 8, "names": ["a"]}}, seed=3)
    write_own(own, tmp_path / "work")
    again = read_own(tmp_path / "work")
    assert again == own
    assert again.path == (str(tmp_path),)
    assert json.loads(json.dumps(own.as_dict()))["sizes"] == {
        "torch": FACTORY,
        "arguments.width": 8,
        "arguments.names": ["a"],
    }
    assert "pkg" not in sys.modules


def test_its_digest_is_that_of_the_source(tmp_path: Path) -> None:
    before = OwnWorkload.of({"torch": FACTORY}).digest
    assert OwnWorkload.of({"torch": FACTORY}).digest == before
    (tmp_path / "pkg" / "mine.py").write_text("changed = True")
    assert OwnWorkload.of({"torch": FACTORY}).digest != before


def test_a_package_needs_no_init(tmp_path: Path) -> None:
    (tmp_path / "bare" / "deep").mkdir(parents=True)
    (tmp_path / "bare" / "deep" / "mine.py").write_text("one = 1")
    own = OwnWorkload.of({"torch": "bare.deep.mine:build"})
    before = own.digest
    (tmp_path / "bare" / "deep" / "mine.py").write_text("one = 2")
    assert OwnWorkload.of({"torch": "bare.deep.mine:build"}).digest != before
    assert own.path == (str(tmp_path),)


def test_its_id_is_that_of_its_settings(tmp_path: Path) -> None:
    ids = {OwnWorkload.of({"torch": FACTORY, "arguments": {"width": width}}).id for width in (1, 2, 2)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("sizes", "frameworks"),
    [
        ({"torch": FACTORY}, {"torch"}),
        ({"jax": FACTORY}, {"jax"}),
        ({"keras": FACTORY}, {"torch", "jax", "tensorflow"}),
        ({"torch": FACTORY, "jax": FACTORY}, {"torch", "jax"}),
    ],
)
def test_frameworks_without_a_function_are_left_out(plain: Any, sizes: Any, frameworks: Any) -> None:
    job = job_of(plain | {"model": {"name": "own", **sizes}})
    assert {variant.framework for variant in job.variants} == frameworks
    assert labels([job]) == ["mine:build"]


def test_arguments_are_typed_like_any_size_and_can_be_swept(hydra_is_there: Any) -> None:
    (sweep,) = planned("model=own", f"model.torch={FACTORY}", as_typed("model.arguments.width=8,16"), "device=cpu")
    assert [job.workload.as_dict()["sizes"]["arguments.width"] for job in sweep.jobs] == [8, 16]
    assert labels(sweep.jobs) == ["mine:build arguments.width=8", "mine:build arguments.width=16"]


def test_with_none_left_it_is_a_mistake(plain: Any) -> None:
    config = plain | {"model": {"name": "own", "torch": FACTORY}, "variants": {"tensorflow": ["eager"]}}
    with pytest.raises(UserError, match=r"variants: none of them can run model.torch"):
        job_of(config)


def test_keras_runs_where_a_framework_has_no_function_of_its_own() -> None:
    own = OwnWorkload.of({"torch": FACTORY, "keras": "pkg.k:build"})
    assert [own.factory(name) for name in ("torch", "jax", "tensorflow", "numpy")] == [
        FACTORY,
        "pkg.k:build",
        "pkg.k:build",
        None,
    ]
    assert [own.uses_keras(name) for name in ("torch", "jax", "tensorflow", "numpy")] == [False, True, True, False]
