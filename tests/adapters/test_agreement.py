"""The table of programs: each computes the oracle's loss and gradients, and executes the multiplies that it should.

A row is a model, the executions that run it, and what is asked of them beside the default. `run` checks a program as
the worker does: two calls of every phase against the oracle, within the limits of `harness/workload/rounding.py`, and
every multiply against the trace. `test_contract.py` has what else an adapter promises, on a few models in every
execution; the other files have what only one choice or one framework can get wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.base import Unsupported
from adapters.choices import Choices
from harness.workload.agreement import agreement
from harness.workload.models import MODELS
from tests.helpers.executions import EXECUTIONS, QUICK, WITH_AUTODIFF, Pair, adapter_of
from tests.helpers.programs import run, work
from tests.helpers.small_models import LOSSES_ALONE, OPS_ALONE, small_model

pytestmark = [
    pytest.mark.usefixtures("no_code_generation"),
    pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight"),  # torch has no fused mixed rms_norm
]


@dataclass(frozen=True)
class Row:
    """One model, the executions that run it, and what is asked of them.

    `exact`: what is executed is what the trace costs, with no departure to explain. `loss` and `gradient` are relative
    errors that this model keeps, below what `rounding.py` allows.
    """

    model: str
    executions: tuple[Pair, ...]
    gradients: str = "params"
    precision: str = "fp32"
    frozen: str = ""
    exact: bool = False
    loss: float = math.inf
    gradient: float = math.inf
    choices: dict[str, Any] = field(default_factory=dict)

    def programs(self) -> Iterator[Any]:
        """A parameter of the test for each execution."""
        parts = [self.model.replace(" ", "_"), self.precision, self.gradients, *filter(None, [self.frozen])]
        name = "-".join((*parts, *(f"{key}={value}" for key, value in self.choices.items())))
        for framework, execution in self.executions:
            slow = [pytest.mark.slow] * (execution in ("compile", "xla"))
            marks = [*slow, pytest.mark.xdist_group(f"{framework}-{execution}")]
            yield pytest.param(self, framework, execution, id=f"{framework}-{execution}-{name}", marks=marks)


def rows(models: Iterable[str], executions: Iterable[Pair], **asked: Any) -> list[Row]:
    """A row for each model; what is asked that is not a field of a row is a choice."""
    names = ("gradients", "precision", "frozen", "exact", "loss", "gradient")
    fields = {name: asked.pop(name) for name in names if name in asked}
    return [Row(model, tuple(executions), **fields, choices=asked) for model in models]


ONE_EACH: list[Pair] = [("torch", "eager"), ("jax", "jit"), ("tensorflow", "graph")]
TORCH_EAGER: list[Pair] = [("torch", "eager")]
TENSORFLOW = [pair for pair in EXECUTIONS if pair[0] == "tensorflow"]
SEQUENCES = ("vit", "bert", "llama", "mixer", "two lstms", "two lstms, unrolled", "two grus", "two grus, unrolled")
# A layer; one whose residual is its output; several outputs; a view; nothing to compute in backward; a loop.
TELLING_OPS = tuple(f"only {op}" for op in ("linear", "conv2d", "tanh", "split", "flatten", "add", "max_pool"))
OTHERS = [pair for pair in EXECUTIONS if pair != ("torch", "eager")]
FAMILIES = (*SEQUENCES, "dlrm", "attention")
AIM = 1e-5  # of the loss, and of a gradient's norm: what programs of the families keep
EXACT = 1e-12  # where nothing is computed in float32
WITH_COTANGENTS = [op for op in OPS_ALONE if op not in LOSSES_ALONE]

TABLE = [
    # Models, as a user gets them.
    *rows(FAMILIES, ONE_EACH, loss=AIM, gradient=AIM),
    *rows(["every image op"], [("torch", "eager"), ("torch", "compile")], gradients="both", exact=True),
    *rows(["labelled pixels"], TORCH_EAGER, exact=True),
    *rows(["negative images"], TENSORFLOW, gradients="both", exact=True),
    *rows(["negative images"], [("jax", "jit")], gradients="both", exact=True, loss=1e-6, gradient=2e-5),
    *rows(["negative images, 2 groups", "negative images, 4 groups"], TENSORFLOW),
    # Ops alone: backward starts from a cotangent that is given, and no loss is computed.
    *rows([op for op in OPS_ALONE if op not in (*TELLING_OPS, "only lstm")], TORCH_EAGER),
    *rows([*TELLING_OPS, "an oblong conv2d", "only lstm"], TORCH_EAGER, loss=1e-6),
    *rows([*TELLING_OPS, "an oblong conv2d"], OTHERS, loss=1e-6),
    *rows(["only lstm"], [pair for pair in OTHERS if pair[1] != "compile"], loss=1e-6),
    *rows(["only lstm"], [("torch", "compile")], kernels="plain", loss=1e-6),  # with oneDNN, torch cannot compile it
    *rows(["only linear"], EXECUTIONS, autodiff="by_hand", exact=True),
    *rows(["only split"], WITH_AUTODIFF, tangent=True),
    # Backprop by the catalogue's rules.
    *rows(["gpt2"], QUICK, autodiff="by_hand", exact=True),
    *rows(["gpt2"], [("torch", "compile")], autodiff="by_hand", exact=True),
    *rows(["gpt2"], QUICK, autodiff="by_hand_recomputed"),  # a second attention that nobody reads may be deleted
    *rows(["unet"], [pair for pair in QUICK if pair[1] != "jit"], autodiff="by_hand", exact=True),
    # Some parameters frozen: no dW of theirs, and no dX before the first that is trained.
    *rows(["mlp"], EXECUTIONS, frozen="first:1", exact=True),
    *rows(["mlp"], EXECUTIONS, frozen="last:1", exact=True),
    *rows(["mlp, lora"], EXECUTIONS, exact=True),
    *rows(["gpt2, lora", "llama, lora"], ONE_EACH, loss=AIM, gradient=1e-4),
    *rows(["mlp, lora"], QUICK, residuals="blocks"),
    *rows(["mlp, lora"], QUICK, optimizer="adam", autodiff="by_hand"),
    *rows(["mlp"], QUICK, frozen="w2|b2", tangent=True, optimizer="sgd"),
    *rows(["mlp"], QUICK, frozen="first:1", autodiff="by_hand", exact=True),
    *rows(["every image op"], ONE_EACH, frozen="conv|w|table"),
    *rows(["two lstms"], TORCH_EAGER, frozen="layer2.*"),
    # Precisions.
    *rows(["mlp"], EXECUTIONS, precision="bf16"),
    *rows(["gpt2"], TORCH_EAGER, precision="bf16"),
    *rows(["mlp", "gpt2"], WITH_AUTODIFF, precision="bf16_mixed"),
    *rows(["mlp"], WITH_AUTODIFF, precision="bf16_mixed", autodiff="by_hand"),
    *rows(["mlp"], QUICK, precision="bf16_mixed", optimizer="adam", residuals="blocks"),
    *rows(["mlp"], QUICK, precision="bf16_mixed", tangent=True),
    *rows(WITH_COTANGENTS, QUICK, precision="bf16_mixed"),
    *rows(WITH_COTANGENTS, QUICK, precision="bf16_mixed", autodiff="by_hand"),
    *rows(["mlp"], EXECUTIONS, precision="fp64", exact=True, gradient=EXACT),
    *rows(["every image op", "bert"], ONE_EACH, precision="fp64", gradient=EXACT),
    *rows(["negative images, 4 groups"], [("jax", "jit"), ("tensorflow", "eager")], precision="fp64", gradient=EXACT),
    *rows(["two lstms"], TORCH_EAGER, precision="fp64", gradient=EXACT, optimizer="adam"),
    *rows(["two lstms"], TORCH_EAGER, kernels="plain"),
    *rows(["mlp"], QUICK, precision="fp64", autodiff="by_hand", gradient=EXACT),
    *rows(["mlp"], QUICK, precision="fp64", tangent=True, optimizer="sgd", gradient=EXACT),
    *rows(["mlp"], [("tensorflow", "graph")], precision="fp64", optimizer="adam", gradient=EXACT),
]


@pytest.mark.parametrize(("row", "framework", "execution"), [program for row in TABLE for program in row.programs()])
def test_a_program_computes_and_executes_what_it_should(row: Row, framework: str, execution: str) -> None:
    try:
        program, verified, _, differing = run(
            framework, execution, row.model, row.gradients, row.precision, row.frozen, **row.choices
        )
    except Unsupported as refusal:
        assert "bf16" in row.precision and "bf16" in str(refusal)
        pytest.skip(str(refusal))
    assert not (row.exact and differing)
    assert verified.loss_error < row.loss
    assert max(verified.gradient_errors.values()) < row.gradient
    graph = work(row.model, row.gradients)[0].graph
    if row.precision == "bf16_mixed":
        gradients = program.gradient()[1]
        in_float32 = {name for name, gradient in gradients.items() if "float32" in str(gradient.dtype)}
        assert in_float32 == gradients.keys() - graph.activations
        assert graph.cotangents or all("float32" in str(array.dtype) for array in program.parameters().values())
    if row.precision.startswith("bf16") and not graph.cotangents:
        assert max(verified.gradient_errors.values()) > 1e-4, "this is float32"


# Of these the compilers would take minutes for all phases; `gradient` has every op of them. `test_contract.py` has the
# ops of the large ones, stride by stride, and ResNet-18 in every execution.
LARGE = ("resnet50", "mobilenet_v2")
IMAGES = ("alexnet", "vgg16", "convnext", "unet", "linear_net", "one_net", "conv_net", "deeper_conv_net")


IMAGE_ROWS = [*rows(LARGE, TORCH_EAGER), *rows(IMAGES, [*ONE_EACH, ("numpy", "by_hand")])]


@pytest.mark.parametrize(
    ("row", "framework", "execution"), [program for row in IMAGE_ROWS for program in row.programs()]
)
def test_networks_of_images_have_the_oracles_gradients(row: Row, framework: str, execution: str) -> None:
    workload, arrays, expected = work(row.model)
    program = adapter_of(framework).load(workload.graph, arrays, execution, Choices())
    loss, gradients = program.gradient()
    assert agreement([float(loss)], [program.export(gradients)], expected).failure("fp32") is None


def test_every_model_of_the_catalogue_is_in_the_table() -> None:
    """`test_contract.py` has ResNet-18; ResNet-34 is more of its blocks."""
    tabled = {type(small_model(row.model)) for row in (*TABLE, *IMAGE_ROWS)}
    assert {name for name, model in MODELS.items() if model not in tabled} == {"resnet18", "resnet34"}
