"""What tells the workloads of a sweep apart, from their records and from their jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.choices import Choices
from harness.job import Device, Variant
from harness.records.record import Record
from harness.views.labels import in_common, labels, shared_choices, variant_name
from harness.workload.workload import Workload
from tests.helpers.jobs import PLAIN, job_of


@pytest.fixture
def sized(record: Callable[..., Record]) -> Callable[..., Record]:
    """`sized(depth=2, model="mlp", precision="bf16")`: a record of such a workload."""

    def make(
        model: str = "mlp",
        precision: str = "fp32",
        gradients: str = "params",
        seed: int = 7,
        device: str = "cpu",
        threads: int = 2,
        frozen: str = "",
        **sizes: Any,
    ) -> Record:
        work: dict[str, Any] = {"precision": precision, "gradients": gradients, "seed": seed}
        work |= {"frozen": frozen} if frozen else {}
        work["sizes"] = PLAIN.workload["sizes"] | sizes
        return record(model=model, workload=PLAIN.workload | work, device=device, threads=threads)

    return make


def test_workloads_are_named_by_the_sizes_that_differ(sized: Callable[..., Record]) -> None:
    assert labels([sized(depth=2), sized(depth=4), sized(depth=2)]) == ["mlp depth=2", "mlp depth=4", "mlp depth=2"]
    assert labels([sized(depth=2, width=8), sized(depth=4)]) == ["mlp depth=2 width=8", "mlp depth=4 width=64"]
    assert labels([sized(inputs=5), sized()]) == ["mlp inputs=5", "mlp inputs=null"]


def test_the_model_is_enough_where_it_is_all_that_differs(sized: Callable[..., Record]) -> None:
    assert labels([sized(), sized()]) == ["mlp", "mlp"]
    assert labels([sized(), sized("gpt2", tokens=64, depth=9)]) == ["mlp", "gpt2"]
    assert labels([]) == []


def test_sizes_of_one_model_are_no_matter_of_the_other(sized: Callable[..., Record]) -> None:
    workloads = [sized(depth=2), sized(depth=4), sized("gpt2", depth=4)]
    assert labels(workloads) == ["mlp depth=2", "mlp depth=4", "gpt2"]
    assert in_common(workloads) == [
        "mlp: batch=32, width=64, precision=fp32",
        "gpt2: batch=32, depth=4, width=64, precision=fp32",
    ]


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("precision", ("fp32", "bf16")),
        ("gradients", ("params", "both")),
        ("seed", (1, 2)),
        ("device", ("cpu", "cuda")),
        ("threads", (1, 2)),
    ],
)
def test_settings_that_differ_anywhere_in_the_sweep_stand_in_every_row(
    sized: Callable[..., Record], setting: str, values: tuple[Any, Any]
) -> None:
    a, b = (sized(model, **{setting: value}) for model, value in zip(("mlp", "gpt2"), values, strict=True))
    assert labels([a, b]) == [f"mlp {setting}={values[0]}", f"gpt2 {setting}={values[1]}"]


def test_what_all_share_is_said_once_and_unusual_gradients_with_it(sized: Callable[..., Record]) -> None:
    assert in_common([sized(depth=2), sized(depth=4)]) == ["mlp: batch=32, width=64, precision=fp32"]
    (line,) = in_common([sized(gradients="both", precision="bf16")])
    assert line == "mlp: batch=32, depth=3, width=64, precision=bf16, gradients=both"


def test_what_is_frozen_is_told_where_something_is(sized: Callable[..., Record]) -> None:
    assert labels([sized(), sized(frozen="first:1")]) == ["mlp frozen=null", "mlp frozen=first:1"]
    assert in_common([sized(frozen="b.")]) == ["mlp: batch=32, depth=3, width=64, precision=fp32, frozen=b."]


def test_variants_are_named_by_what_they_chose_but_for_what_all_have_chosen() -> None:
    adam = [Variant("torch", "eager", Choices(optimizer="adam", tangent=value)) for value in (False, True)]
    assert shared_choices(adam) == {"optimizer": "adam"}
    assert [variant_name(v, shared_choices(adam)) for v in adam] == ["torch eager", "torch eager tangent=true"]
    assert shared_choices([*adam, Variant("jax", "jit")]) == {}
    assert variant_name(adam[1]) == "torch eager optimizer=adam tangent=true"
    assert shared_choices(adam[:1]) == {}, "of a single one nothing is left out"


def test_planned_jobs_have_the_names_of_their_records(tmp_path: Path) -> None:
    jobs = [job_of(Workload.of("mlp", {"batch": 2, "depth": depth, "width": 8}), tmp_path) for depth in (2, 3)]
    assert labels(jobs) == ["mlp depth=2", "mlp depth=3"]
    assert labels([jobs[0], replace(jobs[0], device=Device("cpu", 1, "kept"))]) == ["mlp threads=2", "mlp threads=1"]
