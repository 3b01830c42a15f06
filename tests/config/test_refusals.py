"""Broken values in an otherwise good config: each ends in one sentence that names key and value."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.config.job import job_of
from harness.errors import UserError
from tests.helpers.spoil import spoil

WORDS_OF_ADVICE = ("must be", "choose", "there are", "it has", "needs", "models are")


def refusal(plain: dict[str, Any], key: str, value: Any) -> str:
    """The message for one spoilt value, after checking that it is a good sentence."""
    spoil(plain, key, value)
    with pytest.raises(UserError) as refused:
        job_of(plain)
    message = str(refused.value)
    assert "\n" not in message
    assert any(words in message for words in WORDS_OF_ADVICE), message
    return message


SIZES = ("model.batch", "model.depth", "model.width", "model.inputs", "model.classes")
NUMBERS = ("measure.target", "measure.budget_s", "measure.warm_s", "measure.deadline_s")
WHOLE = ("measure.trials", "device.threads")
NOT_NUMBERS: tuple[Any, ...] = ("x", "", "12", [1], [], {}, {"a": 1}, True, False)
NOT_POSITIVE = (0, -1, -(10**30))


@pytest.mark.parametrize("value", [*NOT_NUMBERS, *NOT_POSITIVE, 1.5, 2.0, math.nan, math.inf], ids=repr)
@pytest.mark.parametrize("key", (*SIZES, *WHOLE))
def test_a_whole_number_above_zero_is_asked_for(plain: dict[str, Any], key: str, value: Any) -> None:
    message = refusal(plain, key, value)
    assert key in message
    assert repr(value) in message


@pytest.mark.parametrize("value", [*NOT_NUMBERS, *NOT_POSITIVE, -0.5, math.nan, math.inf, -math.inf, None], ids=repr)
@pytest.mark.parametrize("key", NUMBERS)
def test_a_finite_number_above_zero_is_asked_for(plain: dict[str, Any], key: str, value: Any) -> None:
    message = refusal(plain, key, value)
    assert f"{key}={value}" in message or f"{key}={value!r}" in message


@pytest.mark.parametrize("value", [-1, 1.5, "x", "", True, None, [0], math.inf], ids=repr)
def test_a_seed_is_a_whole_number_from_zero(plain: dict[str, Any], value: Any) -> None:
    assert f"seed={value!r}" in refusal(plain, "seed", value)


@pytest.mark.parametrize("key", ["model.batch", "model.depth", "model.width", "measure.trials"])
def test_a_size_that_is_needed_cannot_be_null(plain: dict[str, Any], key: str) -> None:
    assert f"{key}=None" in refusal(plain, key, None)


@pytest.mark.parametrize("key", ["study.name", "sweep"])
@pytest.mark.parametrize(
    "value",
    ["a/b", "..", ".", "../x", "/", "/tmp", "", " ", "a b", ".hidden", "-m", "x" * 101, "a\\b", "a\nb", "ü", "*", None,
     ["a"], {"a": 1}, True],
    ids=repr,
)  # fmt: skip
def test_a_name_of_a_folder_stays_one_folder(plain: dict[str, Any], key: str, value: Any) -> None:
    message = refusal(plain, key, value)
    assert key in message
    assert repr(value) in message


@pytest.mark.parametrize("value", ["a", "A-1", "2024.1", "_x", 7, "x" * 100], ids=repr)
def test_good_names_are_taken(plain: dict[str, Any], value: int | str) -> None:
    spoil(plain, "study.name", value)
    assert job_of(plain).folder.parent.name == str(value)


@pytest.mark.parametrize("value", ["", None, 5, [1], {}], ids=repr)
def test_results_are_a_folder(plain: dict[str, Any], value: Any) -> None:
    assert f"results={value!r}" in refusal(plain, "results", value)


@pytest.mark.parametrize(
    ("key", "value", "there_is"),
    [
        ("device.memory", "leaked", "returned"),
        ("precision.name", "fp16", "bf16"),
        ("precision.name", "FP32", "fp32"),
        ("precision.name", None, "fp32"),
        ("precision.name", ["fp32"], "fp32"),
        ("device.name", "gpu", "cuda"),
        ("device.name", "cuda:0", "cuda"),
        ("device.name", "", "cpu"),
        ("model.name", "perceptron", "resnet18"),
        ("model.name", None, "resnet18"),
        ("model.name", ["mlp"], "mlp"),
        ("variants.torch", ["xla"], "compile"),
        ("variants.torch", ["eager", "Eager"], "compile"),
        ("variants.jax", ["eager"], "jit"),
        ("variants.tensorflow", ["compile"], "xla"),
        ("variants.numpy", ["jit"], "by_hand"),
        ("variants.torch", [None], "eager"),
        ("variants.torch", [["eager"]], "eager"),
        ("variants.torch", "eager", "list"),
        ("variants.torch", None, "list"),
        ("variants.torch", {"eager": True}, "list"),
        ("variants.mxnet", ["eager"], "torch"),
    ],
)
def test_an_unknown_choice_is_refused_with_what_there_is(
    plain: dict[str, Any], key: str, value: Any, there_is: str
) -> None:
    message = refusal(plain, key, value)
    assert key.split(".")[0] in message
    assert there_is in message


SECTIONS = ("study", "model", "device", "precision", "variants", "measure", "tracking", "frameworks")


@pytest.mark.parametrize("value", [None, 3, "x", [], ["a"]], ids=repr)
@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_that_is_not_one_is_refused(plain: dict[str, Any], section: str, value: Any) -> None:
    assert f"{section}={value!r}" in refusal(plain, section, value)


@pytest.mark.parametrize("value", [None, 3, "x", []], ids=repr)
def test_a_framework_that_is_no_section_is_refused(plain: dict[str, Any], value: Any) -> None:
    assert f"frameworks.torch={value!r}" in refusal(plain, "frameworks.torch", value)


@pytest.mark.parametrize("key", (*SECTIONS, "sweep", "seed", "results"))
def test_what_was_taken_away_is_missed_by_name(plain: dict[str, Any], key: str) -> None:
    del plain[key]
    with pytest.raises(UserError, match=f"^{key}"):
        job_of(plain)


@pytest.mark.parametrize(
    "key",
    [
        "study.name", "device.name", "device.threads", "precision.name", "measure.trials",
        "measure.deadline_s", "tracking.uri", "frameworks.torch.executions", "frameworks.jax.interpreters",
    ],
)  # fmt: skip
def test_what_was_taken_out_of_a_section_is_missed_by_name(plain: dict[str, Any], key: str) -> None:
    *path, last = key.split(".")
    section = plain
    for part in path:
        section = section[part]
    del section[last]
    with pytest.raises(UserError, match="missing") as refused:
        job_of(plain)
    assert ".".join(path) in str(refused.value)
    assert last in str(refused.value)


@pytest.mark.parametrize("section", ["", "study.", "model.", "device.", "precision.", "measure.", "tracking."])
def test_an_unknown_key_is_refused_wherever_it_stands(plain: dict[str, Any], section: str) -> None:
    assert f"{section}speed" in refusal(plain, f"{section}speed", 1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tracking.uri", 5),
        ("tracking.uri", ["a"]),
        ("device.threads", "two"),
        ("measure.name", None),
        ("frameworks.torch.executions", "eager"),
        ("frameworks.torch.executions", [1]),
        ("frameworks.torch.interpreters", "python"),
        ("frameworks.torch.interpreters.cpu", 3),
    ],
)
def test_a_value_of_another_kind_is_refused(plain: dict[str, Any], key: str, value: Any) -> None:
    assert f"{key}={value!r}: must be" in refusal(plain, key, value)


def test_a_model_without_a_name_is_refused_with_what_there_is(plain: dict[str, Any]) -> None:
    del plain["model"]["name"]
    with pytest.raises(UserError, match=r"models are .*gpt2.*mlp.*resnet18"):
        job_of(plain)


def test_a_variant_named_twice_is_refused(plain: dict[str, Any]) -> None:
    spoil(plain, "variants", {"torch": ["eager", "eager"]})
    with pytest.raises(UserError, match=r"torch-eager.* twice"):
        job_of(plain)


@pytest.mark.parametrize("nothing", [{}, {"torch": []}, {"torch": [], "jax": []}], ids=repr)
def test_nothing_to_measure_is_refused(plain: dict[str, Any], nothing: dict[str, list[str]]) -> None:
    spoil(plain, "variants", nothing)
    with pytest.raises(UserError, match="nothing to measure"):
        job_of(plain)


def keys(section: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Every key of a nested mapping, with dots."""
    for name, value in section.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{name}.")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_anywhere_the_answer_is_a_job_or_a_sentence(plain: dict[str, Any], data: st.DataObject) -> None:
    plain = copy.deepcopy(plain)
    key, value = data.draw(st.sampled_from(sorted(keys(plain)))), data.draw(JUNK)
    spoil(plain, key, value)
    try:
        job_of(plain)
    except UserError as error:
        assert str(error)


@pytest.mark.parametrize("value", ["model.depth=2", [1], [None], {}], ids=repr)
def test_jobs_are_a_list_of_lines(plain: dict[str, Any], value: Any) -> None:
    assert f"jobs={value!r}: must be a list" in refusal(plain, "jobs", value)
