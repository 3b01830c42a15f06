"""A workload's parts are all of it, each once, and each is what its command measures."""

from __future__ import annotations

import shlex
from collections import Counter

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from adapters.choices import Choices
from adapters.numpy import Adapter
from harness.config.expand import job_from
from harness.explain.parts import applicable, distinct_parts, replayed
from harness.job import Device, Variant
from harness.measure.verify import verify
from harness.paths import ROOT
from harness.workload.cost import cost
from harness.workload.models import MODELS
from harness.workload.ops import Work
from harness.workload.oracle import reference
from harness.workload.workload import Workload

SMALL = {
    "mlp": {"batch": 4, "depth": 3, "width": 8},
    "gpt2": {"batch": 2, "tokens": 8, "layers": 2, "width": 16, "heads": 2, "vocabulary": 50, "context": 8},
    "bert": {"batch": 2, "tokens": 8, "layers": 1, "width": 16, "heads": 2, "vocabulary": 50, "context": 8},
    "unet": {"batch": 1, "image": 32, "width": 4},
    "dlrm": {"batch": 5, "tables": 3, "entries": 7, "width": 4, "hidden": 6, "numbers": 5},
    "lstm": {"batch": 3, "tokens": 4, "layers": 1, "width": 8, "vocabulary": 11},
    "attention": {"batch": 2, "tokens": 5, "width": 16, "heads": 4},
}
CPU = Device("cpu", 2, "kept")


@pytest.mark.parametrize("model", MODELS)
def test_parts_account_for_every_call_and_all_work(model: str) -> None:
    workload = Workload.of(model, {"batch": 1} if model.startswith(("gpt2", "llama")) else {})
    parts, table = distinct_parts(workload), cost(workload.graph)
    assert sum(part.count for part in parts) == len(workload.graph.calls)
    assert Counter(call.op for call in workload.graph.calls) == sum(
        (Counter({part.op: part.count}) for part in parts), Counter()
    )
    work = [(part.count, part.forward, (part.dx or Work()) + (part.dw or Work())) for part in parts]
    assert sum(count * forward.flops for count, forward, _ in work) == table.forward.flops
    assert sum(count * forward.elements for count, forward, _ in work) == table.forward.elements
    assert sum(count * backward.flops for count, _, backward in work) == table.backward.flops


def test_calls_that_differ_in_their_gradients_are_different_parts() -> None:
    first, _, others, _ = distinct_parts(Workload.of("mlp", SMALL["mlp"]))
    assert first.shape == others.shape
    assert (first.wanted, others.wanted) == (("forward", "dw"), ("forward", "dx", "dw"))
    assert (first.count, others.count) == (1, 2)


@pytest.mark.parametrize("model", SMALL)
def test_each_part_is_a_workload_that_agrees_with_the_oracle(model: str) -> None:
    for part in distinct_parts(Workload.of(model, SMALL[model])):
        graph, arrays = part.workload.graph, part.workload.sample()
        assert [call.op for call in graph.calls] == [part.op]
        program = Adapter("cpu", 1, "fp32").load(graph, arrays, "by_hand")
        assert np.isfinite(verify(program, part.workload, reference(graph, arrays)).loss)


@pytest.mark.slow
@pytest.mark.parametrize("model", SMALL)
def test_a_part_is_what_its_command_measures(model: str) -> None:
    """Composed as Hydra would, without the defaults of `conf/`."""
    variant = Variant("torch", "eager", Choices(residuals="blocks", layout="nhwc", optimizer="adam"))
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for part in distinct_parts(Workload.of(model, SMALL[model], seed=0)):
            python, dash, harness, *overrides = shlex.split(part.command(variant, CPU))
            assert (python, dash, harness) == (".venv/bin/python", "-m", "harness")
            job = job_from(compose("config", overrides=overrides))
            ours, theirs = part.workload.graph, job.workload.graph
            assert theirs is not None
            assert (ours.calls, ours.specs, ours.draws) == (theirs.calls, theirs.specs, theirs.draws)
            assert ours.sources == theirs.sources
            (asked,) = job.variants
            assert asked.choices == Choices(**applicable(replayed(variant), ours))


def test_choices_that_do_not_concern_an_op_are_left_out_of_its_replay() -> None:
    chosen = {"attention": "unfused", "layout": "nhwc", "residuals": "blocks", "deterministic": True}
    for op, concerned in (("linear", ()), ("attention", ("attention",)), ("conv2d", ("layout",))):
        graph = Workload.of("op", {"op": op}).graph
        assert applicable(chosen, graph) == {name: chosen[name] for name in (*concerned, "deterministic")}
        assert applicable({"residuals": "all"}, graph) == {"residuals": "all"}
    assert applicable(chosen, Workload.of("resnet18", {}).graph).keys() == chosen.keys() - {"attention"}


def test_choices_that_add_a_phase_are_not_replayed() -> None:
    assert replayed(Variant("jax", "jit", Choices(optimizer="sgd", tangent=True, fusion="single"))) == {
        "fusion": "single"
    }
