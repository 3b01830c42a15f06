"""A workload's identity, and its arrays on disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.workload.models import sizes
from harness.workload.ops import WorkloadError
from harness.workload.oracle import reference
from harness.workload.workload import Workload, load, save

SIZES = {"batch": 4, "depth": 3, "width": 8}


def test_what_is_saved_is_what_is_loaded(tiny: Workload, tmp_path: Path) -> None:
    folder = save(tiny, tmp_path / "workload")
    again, arrays, expected = load(folder)
    assert again == tiny
    assert arrays.keys() == tiny.graph.draws.keys()
    for name, array in tiny.sample().items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    wanted = reference(tiny.graph, tiny.sample())
    assert expected.loss == wanted.loss
    assert expected.allowed == wanted.allowed
    assert expected.gradients.keys() == wanted.gradients.keys()
    for name, gradient in wanted.gradients.items():
        np.testing.assert_array_equal(expected.gradients[name], gradient)


def test_gradients_of_inputs_are_saved_where_they_are_wanted(tmp_path: Path) -> None:
    workload = Workload.of("mlp", SIZES, gradients="both")
    again, arrays, expected = load(save(workload, tmp_path / "workload"))
    assert again.gradients == "both"
    assert expected.gradients["x"].shape == arrays["x"].shape


def test_outputs_of_an_op_alone_are_saved_by_the_names_of_their_cotangents(tmp_path: Path) -> None:
    workload = Workload.of("op", {"op": "split"})
    _, arrays, expected = load(save(workload, tmp_path / "workload"))
    wanted = reference(workload.graph, workload.sample())
    assert tuple(expected.outputs) == workload.graph.cotangents
    for name, output in wanted.outputs.items():
        np.testing.assert_array_equal(expected.outputs[name], output)
        assert output.shape == arrays[name].shape
    assert expected.loss == wanted.loss


def test_what_is_timed_alone_is_saved_without_an_answer(tiny: Workload, tmp_path: Path) -> None:
    again, arrays, expected = load(save(tiny, tmp_path / "workload", solve=False), "torch")
    assert again == tiny
    assert arrays.keys() == tiny.graph.draws.keys()
    assert not expected.gradients and not expected.source


def test_nothing_on_disk_is_pickled(tiny: Workload, tmp_path: Path) -> None:
    folder = save(tiny, tmp_path / "workload")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".npy", ".json"}
    for path in files:
        if path.suffix == ".npy":
            np.load(path, allow_pickle=False)


def test_an_array_that_is_pickled_is_refused_and_not_run(mlp: Workload, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "sprung",)

    folder = save(mlp, tmp_path / "workload")
    np.save(folder / "arrays" / "w1.npy", np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(ValueError, match="objects"):
        load(folder)
    assert not (tmp_path / "sprung").exists()


def test_loaded_arrays_cannot_be_written_by_accident(mlp: Workload, tmp_path: Path) -> None:
    _, arrays, expected = load(save(mlp, tmp_path / "workload"))
    for array in (*arrays.values(), *expected.gradients.values()):
        assert not array.flags.writeable


def test_the_id_is_stable_and_fit_for_a_file_name(tiny: Workload) -> None:
    again = Workload.of(tiny.name, sizes(tiny.model) if tiny.name != "mlp" else SIZES)
    assert again.id == tiny.id
    assert re.fullmatch(rf"{tiny.name}-[0-9a-f]{{8}}", tiny.id)


def test_the_id_is_the_same_as_ever() -> None:
    """Recorded once: cells of earlier sweeps are found by it."""
    assert Workload.of("mlp", SIZES).id == "mlp-362f588b"


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": SIZES | {"batch": 5}},
        {"sizes": SIZES | {"depth": 4}},
        {"sizes": SIZES | {"width": 9}},
        {"sizes": SIZES | {"inputs": 7}},
        {"sizes": SIZES | {"classes": 7}},
        {"precision": "bf16"},
        {"seed": 1},
        {"gradients": "both"},
        {"gradients": "inputs"},
    ],
    ids=str,
)
def test_the_id_tells_every_field_apart(change: dict[str, Any]) -> None:
    sizes = change.pop("sizes", SIZES)
    assert Workload.of("mlp", sizes, **change).id != Workload.of("mlp", SIZES).id


def test_as_dict_and_from_dict_are_inverse(tiny: Workload) -> None:
    assert Workload.from_dict(tiny.as_dict()) == tiny


def test_shapes_that_do_not_fit_are_refused_when_the_workload_is_made() -> None:
    with pytest.raises(WorkloadError, match="heads=3"):
        Workload.of("gpt2", {"heads": 3, "width": 16})
