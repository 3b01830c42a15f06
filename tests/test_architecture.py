"""Who may import what. The rooms stay apart, and nothing heavy is loaded before it is needed."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from adapters.base import PHASES
from harness.records.metrics import FIELDS, METRICS
from harness.records.record import Record
from harness.workload.ops import CATALOGUE

ROOT = Path(__file__).parents[1]
FRAMEWORKS = {"torch", "jax", "tensorflow"}
# From the ground up: a room imports itself and what stands before it. Rooms of one line do not know each other.
FLOORS = (
    ("errors", "paths", "workload"),
    ("job",),
    ("measure",),
    ("records",),
    ("claims", "published"),
    ("cluster", "config", "views"),
    ("explain",),
    ("report",),
    ("sweep",),
    ("commands", "gpu_check", "notebook", "plugins", "selfcheck", "__main__"),
)


@cache
def loaded_by(program: str) -> set[str]:
    """Top-level packages that a program has loaded when it ends, in a fresh process."""
    report = "import sys; print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    asked = [sys.executable, "-c", f"{program}\n{report}"]
    return set(subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


COMPOSE = """
from pathlib import Path
from hydra import compose, initialize_config_dir
from harness.config.expand import job_from
from harness.errors import UserError
conf = Path("conf").resolve()
with initialize_config_dir(str(conf), version_base="1.3"):
    for path in {path.parent: path for path in conf.glob("[!h]*/*.yaml")}.values():
        if path.parent.name != "framework":
            try:
                job_from(compose("config", overrides=[f"{path.parent.name}={path.stem}"]))
            except UserError:
                pass  # a GPU is asked for
"""


@pytest.mark.parametrize(
    ("program", "never"),
    [
        ("import harness", FRAMEWORKS | {"hydra", "mlflow", "numpy"}),
        ("import harness.job, harness.config.job", FRAMEWORKS | {"hydra", "mlflow"}),
        ("import harness.workload.workload", FRAMEWORKS | {"hydra", "mlflow", "omegaconf"}),
        ("import harness.measure.child", FRAMEWORKS | {"hydra", "mlflow", "omegaconf", "rich"}),
        ("import harness.measure.trial", FRAMEWORKS | {"hydra", "mlflow", "omegaconf"}),
        ("import harness.views.mlflow.tracker, harness.records.build", FRAMEWORKS | {"hydra", "mlflow"}),
        ("import harness.sweep.sweeper, harness.__main__", FRAMEWORKS | {"mlflow"}),
        ("import adapters, adapters.base, adapters.common.hlo", FRAMEWORKS | {"hydra", "mlflow"}),
        ("import adapters.numpy", FRAMEWORKS | {"hydra", "mlflow"}),
        pytest.param(COMPOSE, FRAMEWORKS | {"mlflow"}, marks=pytest.mark.slow),
    ],
    ids=lambda value: value.splitlines()[0] or "compose a config of each group" if isinstance(value, str) else "",
)
def test_what_is_not_needed_is_not_loaded(program: str, never: set[str]) -> None:
    assert not loaded_by(program) & never


@pytest.mark.slow
@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
def test_an_adapter_loads_its_own_framework_and_no_other(framework: str) -> None:
    """By itself, TensorFlow would load jax where it finds it, and Keras three packages that take seconds."""
    loaded = loaded_by(f"import adapters.{framework}; adapters.{framework}.Adapter")
    assert loaded & FRAMEWORKS == {framework}
    assert not loaded & {"hydra", "matplotlib", "mlflow", "omegaconf", "pandas", "sklearn"}


@cache
def modules(folder: str) -> list[tuple[str, ast.Module]]:
    """(dotted name, syntax tree) of every module in a package."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return [(".".join(path.relative_to(ROOT).with_suffix("").parts), ast.parse(path.read_text())) for path in paths]


@cache
def imports(name: str, tree: ast.Module) -> set[str]:
    """Absolute dotted names that a module imports, wherever the statement stands; for typing alone too."""
    package, found = name.split(".")[:-1], set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            target = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            found |= {target, *(f"{target}.{alias.name}" for alias in node.names)}
    return found


def importers(package: str, folder: str = "harness") -> set[str]:
    """Modules in `folder` that import a top-level package."""
    return {name for name, tree in modules(folder) if any(i.split(".")[0] == package for i in imports(name, tree))}


def test_only_the_entry_points_know_hydra() -> None:
    names = (
        "__main__",
        "config.expand",
        "config.compose",
        "errors",
        "gpu_check.__main__",
        "notebook",
        "selfcheck.processes",
        "sweep.sweeper",
    )
    entry_points = {f"harness.{name}" for name in names}
    assert importers("hydra") | importers("omegaconf") <= entry_points
    assert not importers("hydra", "adapters")


def test_only_tracking_knows_mlflow() -> None:
    assert {name.rpartition(".")[0] for name in importers("mlflow")} == {"harness.views.mlflow"}
    assert not importers("mlflow", "adapters")


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
def test_only_its_adapter_knows_a_framework(framework: str) -> None:
    assert not importers(framework)
    assert all(name.startswith(f"adapters.{framework}.") for name in importers(framework, "adapters"))


def test_what_is_computed_needs_the_standard_library_and_numpy_only() -> None:
    allowed = sys.stdlib_module_names | {"numpy", "harness"}
    for name, tree in modules("harness/workload"):
        outside = {i for i in imports(name, tree) if i.split(".")[0] not in allowed}
        assert not outside, f"{name} imports {outside}"


def test_a_worker_needs_the_standard_library_and_numpy_only() -> None:
    """It runs where only its framework is installed."""
    allowed = sys.stdlib_module_names | {"numpy", "harness", "adapters"}
    trees = dict(modules("harness"))
    needed, found = {"harness.measure.child"}, set[str]()
    while needed:
        name = needed.pop()
        found.add(name)
        imported = imports(name, trees[name])
        outside = {i for i in imported if i.split(".")[0] not in allowed}
        assert not outside, f"{name} imports {outside}"
        needed |= (imported & trees.keys()) - found


def test_a_room_imports_only_rooms_below_it() -> None:
    below = {"harness"}
    for floor in FLOORS:
        for room in floor:
            allowed = below | {room}
            for name, tree in modules("harness"):
                if name.split(".")[1] == room:
                    rooms = {i.split(".")[1] for i in imports(name, tree) if i.startswith("harness.") and i[8:]}
                    assert rooms - {"__version__"} <= allowed, f"{name} imports {rooms - allowed}"
        below |= set(floor)


def test_every_room_has_its_floor() -> None:
    rooms = {name.split(".")[1] for name, _ in modules("harness")} - {"__init__"}
    assert rooms == {room for floor in FLOORS for room in floor}


def test_no_module_imports_itself_through_others() -> None:
    trees = {name.removesuffix(".__init__"): tree for top in ("harness", "adapters") for name, tree in modules(top)}
    graph = {name: {i for i in imports(name, tree) if i in trees and i != name} for name, tree in trees.items()}
    while leaves := {name for name, needs in graph.items() if not needs & graph.keys()}:
        for name in leaves:
            del graph[name]
    assert not graph, f"a circle of imports among {sorted(graph)}"


def test_adapters_import_only_what_is_computed() -> None:
    """Not the clock, not the config, not the records."""
    for name, tree in modules("adapters"):
        inward = {i for i in imports(name, tree) if i.startswith("harness") and not i.startswith("harness.workload")}
        assert not inward, f"{name} imports {inward}"


def test_adapters_import_each_other_relatively() -> None:
    for name, tree in modules("adapters"):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module is not None and node.module.split(".")[0] != "adapters", name


def test_an_op_stands_in_the_file_of_the_same_name_in_every_framework() -> None:
    files = {framework: files_of_ops(ROOT / "adapters" / framework) for framework in sorted(FRAMEWORKS)}
    assert files["jax"].keys() == CATALOGUE.keys()
    assert files["jax"] == files["tensorflow"] == files["torch"]


def files_of_ops(folder: Path) -> dict[str, str]:
    """The module of an adapter that defines each op of the catalogue, by the op's name."""
    files = {}
    for family in ("images", "norms", "ops", "recurrent", "sequence"):
        for node in ast.parse((folder / f"{family}.py").read_text()).body:
            if isinstance(node, ast.FunctionDef):
                files[node.name] = family
            elif isinstance(node, ast.Assign):
                files |= {target.id: family for target in node.targets if isinstance(target, ast.Name)}
    return {name: family for name, family in files.items() if name in CATALOGUE}


def test_no_model_knows_a_framework_and_no_adapter_knows_a_model() -> None:
    for name, tree in modules("adapters"):
        assert not {i for i in imports(name, tree) if i.startswith("harness.workload.models")}, name


def test_what_is_known_of_several_ops_stands_on_their_classes() -> None:
    """A table or a list of ops beside the catalogue would be one more entry for every new op.

    What departs from the rule in one framework may name the one op that it does otherwise. Models are made of ops.
    """
    for name, tree in [*modules("harness"), *modules("adapters")]:
        if name.startswith(("harness.workload.ops.", "harness.workload.models.")):
            continue
        for node in (n for n in ast.walk(tree) if isinstance(n, ast.expr)):
            listed = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
            ops = {e.value for e in listed if isinstance(e, ast.Constant) and e.value in CATALOGUE}
            assert len(ops) < 2, f"{name}, line {node.lineno}, lists {ops}"


@pytest.mark.parametrize("folder", ["harness", "adapters", "tests"])
def test_no_module_is_longer_than_a_reader_can_hold(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        assert path.stat().st_size <= 12_000, path.relative_to(ROOT)


def test_nothing_is_pickled_on_purpose() -> None:
    assert not importers("pickle") | importers("pickle", "adapters")


def test_no_duration_is_read_from_a_clock_that_can_be_set() -> None:
    """Only when a record and a self-check were made is told in the time of day."""
    readers = set()
    for folder in ("harness", "adapters"):
        for name, tree in modules(folder):
            calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
            readers |= {name for call in calls if call in ("time.time", "time.time_ns", "time", "datetime.now")}
    assert readers == {"harness.records.build", "harness.selfcheck.__main__"}


def test_every_field_of_a_record_has_its_sentence() -> None:
    assert set(FIELDS) == {field.name for field in dataclasses.fields(Record)}
    for name, sentence in FIELDS.items():
        assert sentence.endswith("."), name


def test_every_number_has_a_unit_and_a_sentence() -> None:
    for name, quantity in METRICS.items():
        assert quantity.unit, name
        assert quantity.sentence.endswith("."), name


def test_every_phase_has_its_numbers() -> None:
    for phase in PHASES:
        assert {f"{phase}_ms", f"first_{phase}_s", f"executed_{phase}_matmuls"} <= set(METRICS)
