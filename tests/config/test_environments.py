"""Environments as a user types them: what they become, and what is refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.config.environments import environments_of
from harness.config.expand import job_from
from harness.errors import UserError
from harness.job import UNNAMED, Environment
from tests.helpers.typed import planned


def test_every_variant_is_measured_in_every_environment(composed: Callable[..., Any]) -> None:
    job = job_from(composed("variants=eager", "environments={plain:{},off:{TF_ENABLE_ONEDNN_OPTS:0}}"))
    assert [str(variant) for variant in job.variants] == [
        *("torch-eager@plain", "torch-eager@off", "tensorflow-eager@plain", "tensorflow-eager@off")
    ]
    assert job.variants[1].environment == Environment("off", None, (("TF_ENABLE_ONEDNN_OPTS", "0"),))
    assert len({job.cell(variant) for variant in job.variants}) == 4


def test_without_environments_nothing_is_named(composed: Callable[..., Any]) -> None:
    job = job_from(composed("variants=eager"))
    assert {variant.environment for variant in job.variants} == {UNNAMED}
    assert [str(variant) for variant in job.variants] == ["torch-eager", "tensorflow-eager"]


def test_two_releases_are_two_interpreters(composed: Callable[..., Any]) -> None:
    job = job_from(composed("variants=versions", "environments.before.interpreter=/old/python"))
    assert [(v.framework, v.environment.name, v.environment.interpreter) for v in job.variants] == [
        ("jax", "before", "/old/python"),
        ("jax", "after", ".venv-after/bin/python"),
    ]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"a": 3}, "environments.a=3: must be a mapping of variables"),
        ({"a": {"lower": 1}}, "environments.a.lower: must be an environment variable, in capitals, or interpreter"),
        ({"a": {"OMP_NUM_THREADS": True}}, "environments.a.OMP_NUM_THREADS=True: must be text or a number"),
        ({"a": {"OMP_NUM_THREADS": None}}, "environments.a.OMP_NUM_THREADS=None: must be text or a number"),
        ({"a": {"HF_TOKEN": "hush"}}, "environments.a.HF_TOKEN: looks like a secret"),
        ({"a": {"MALLOC_TOP_PAD_": 1}}, "environments.a.MALLOC_TOP_PAD_: is set by Twofold itself"),
        ({"a": {"TWOFOLD_KERNELS": "plain"}}, "environments.a.TWOFOLD_KERNELS: is set by Twofold itself"),
        ({"a": {"interpreter": 3}}, "environments.a.interpreter=3: must be the path of a Python"),
        ({"a": {"interpreter": ""}}, "environments.a.interpreter=: must be the path of a Python"),
        ({"a/b": {}}, "environments.a/b: its name must be a name of letters, digits"),
    ],
)
def test_what_is_no_environment_is_one_sentence(chosen: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        environments_of(chosen)
    assert str(refused.value).startswith(said)
    assert "hush" not in str(refused.value)


def test_another_mapping_in_place_of_a_files_own_is_refused_by_its_names(hydra_is_there: None) -> None:
    with pytest.raises(UserError, match=r"has an entry that environments has not; there are before, after"):
        planned("variants=versions", "environments={old:{}}")
