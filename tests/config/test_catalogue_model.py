"""A user's own model over the catalogue: where it is found, what identifies it, and every mistake in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.config.expand import as_typed
from harness.config.job import job_of
from harness.errors import UserError
from harness.views.labels import labels
from harness.workload.own import read_own
from harness.workload.workload import Workload, load, save
from tests.helpers.typed import planned

MODEL = """
from dataclasses import dataclass
from harness.workload import draw

number = 3


@dataclass
class NoLoss:
    def batch_arrays(self): return {}


@dataclass
class Model:
    width: int = 8
    fault: str = ""

    def batch_arrays(self):
        return {"x": draw.normal(4, self.width)} if self.fault != "batch" else [1]

    def loss(self, ops, param, x):
        weight = param("w", draw.normal(self.width, self.width), frozen=self.fault == "frozen")
        match self.fault:
            case "raises": raise RuntimeError("not today.")
            case "nothing": return None
            case "op": return ops.swishy(x)
            case "shapes": return ops.linear(x, param("v", draw.normal(9, 9)))
            case "attribute": return ops.relu(x, slope=3)
            case "value": return ops.add(x, 3)
            case "vector": return ops.linear(x, weight)
            case "unused": return ops.mse(ops.linear(x, param("v", draw.normal(8, 8))), x)
        return ops.mse(ops.linear(x, weight), x)
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package in the current directory, which is forgotten afterwards."""
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "__init__.py").touch()
    (tmp_path / "given" / "mine.py").write_text(MODEL)
    (tmp_path / "given" / "broken.py").write_text("def f(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    forget()


def forget() -> None:
    """Have Python import the package anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "given"]:
        del sys.modules[name]


def of(fault: str = "", path: str = "given.mine:Model", **sizes: Any) -> Workload:
    return Workload.of("own", {"catalogue": path, "arguments": {"fault": fault} if fault else {}, **sizes})


def test_it_runs_in_every_framework_and_is_named_as_it_is_typed(plain: dict[str, Any]) -> None:
    model: dict[str, Any] = {
        "name": "own",
        "torch": None,
        "jax": None,
        "keras": None,
        "catalogue": "given.mine:Model",
        "arguments": {},
    }
    job = job_of(plain | {"model": model})
    assert {variant.framework for variant in job.variants} >= {"torch", "jax", "tensorflow"}
    assert labels([job]) == ["mine:Model"]
    assert job.traced.as_dict()["sizes"] == {"catalogue": "given.mine:Model"}


def test_its_arguments_are_swept_like_any_size(hydra_is_there: Any) -> None:
    typed = ("model=own", "model.catalogue=given.mine:Model", as_typed("model.arguments.width=8,16"), "device=cpu")
    (sweep,) = planned(*typed)
    assert labels(sweep.jobs) == ["mine:Model arguments.width=8", "mine:Model arguments.width=16"]
    assert [job.traced.graph.parameter_count for job in sweep.jobs] == [64, 256]


def test_a_worker_elsewhere_finds_it_and_has_the_oracles_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = of()
    folder = save(workload, tmp_path / "workload")
    forget()
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(tmp_path)])
    monkeypatch.chdir("/")
    assert read_own(folder) is None
    again, _, expected = load(folder)
    assert again == workload and again.id == workload.id
    assert expected.gradients["w"].shape == (8, 8)


def test_it_is_identified_by_its_settings_and_digested_with_its_code(tmp_path: Path) -> None:
    first, other = of(), Workload.of("own", {"catalogue": "given.mine:Model", "arguments": {"width": 9}})
    assert first.id != other.id and first.id.startswith("own-")
    changed = MODEL.replace(
        "return ops.mse(ops.linear(x, weight), x)", "return ops.mse(ops.tanh(ops.linear(x, weight)), x)"
    )
    (tmp_path / "given" / "mine.py").write_text(changed)
    assert of().digest == first.digest  # imported once in a process
    forget()
    assert of().digest != first.digest and of().id == first.id


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"path": "given.mine"}, "model.catalogue=given.mine is no class; write it as package.module:Model"),
        ({"path": "nowhere.at:All"}, r"nowhere.at cannot be imported \(ModuleNotFoundError: No module named 'nowhere'"),
        ({"path": "given.broken:Model"}, r"cannot be imported \(SyntaxError: .*given/broken.py, line 1\)"),
        ({"path": "given.mine:Other"}, "given.mine has no 'Other'; write package.module:Model"),
        ({"path": "given.mine:number"}, "number is no class but of type int"),
        ({"path": "given.mine:NoLoss"}, "it has no method loss; there must be"),
        ({"torch": "a:b"}, "model.torch: model.catalogue runs in every framework; choose one of the two"),
        ({"arguments": {"depht": 3}}, "Model raises TypeError: .*unexpected keyword argument 'depht'"),
        ({"arguments": [3]}, "must be a mapping of names"),
        ({"fault": "batch"}, "its batch_arrays must return a dict of draws"),
        ({"fault": "raises"}, r"loss raises RuntimeError: not today; given/mine.py, line 24"),
        ({"fault": "nothing"}, "its loss returns None; it must return what an op returned"),
        ({"fault": "op"}, r"no op 'swishy' in the catalogue; it has .* \(given/mine.py, line 26\)"),
        ({"fault": "shapes"}, r"linear: input \(4, 8\) does not fit weight \(9, 9\) \(given/mine.py, line 27\)"),
        (
            {"fault": "attribute"},
            "loss raises TypeError: .*unexpected keyword argument 'slope'; given/mine.py, line 28",
        ),
        ({"fault": "value"}, "loss raises AttributeError: .*; given/mine.py, line 29"),
        ({"fault": "frozen"}, "it has no parameter that is trained"),
        ({"fault": "unused"}, "the loss does not depend on w; leave out what nothing uses"),
        ({"fault": "vector"}, r"the loss must be a scalar, its shape is \(4, 8\)"),
    ],
    ids=str,
)
def test_a_mistake_in_it_is_one_sentence(plain: dict[str, Any], sizes: dict[str, Any], says: str) -> None:
    path, fault = sizes.pop("path", "given.mine:Model"), sizes.pop("fault", "")
    model = {"name": "own", "catalogue": path, "arguments": {"fault": fault} if fault else {}, **sizes}
    with pytest.raises(UserError, match=says) as refused:
        job_of(plain | {"model": model})
    assert "\n" not in str(refused.value)
