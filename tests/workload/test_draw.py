"""How arrays are born: from seed and name alone, everywhere the same."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from harness.workload import draw
from harness.workload.draw import Normal
from harness.workload.workload import Workload

DRAWS = {
    "normal": draw.normal(3, 4),
    "he": draw.he(3, 3, 4, 5),
    "lecun": draw.lecun(4, 5),
    "bias": draw.bias(6),
    "scale": draw.scale(6),
    "integers": draw.integers(7, high=5),
    "positions": draw.positions(4),
    "running_mean": draw.running_mean(4),
    "running_variance": draw.running_variance(4),
    "cosines": draw.rotation(9, 4, base=100)[0],
    "sines": draw.rotation(9, 4, base=100)[1],
    "kept": draw.kept(3, 4, rate=0.5),
    "padding": draw.padding(3, 8),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_the_same_seed_and_name_give_the_same_array_in_a_fresh_process(kind: str) -> None:
    array = DRAWS[kind].sample(7, "weight")
    program = (
        f"from harness.workload.draw import *; import hashlib; a = {DRAWS[kind]!r}.sample(7, 'weight');"
        "print(hashlib.sha256(a.tobytes()).hexdigest())"
    )
    fresh = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == hashlib.sha256(array.tobytes()).hexdigest()


def test_an_array_is_the_same_on_every_machine_and_in_every_version() -> None:
    """Recorded once: whoever changes how arrays are drawn makes every earlier record incomparable."""
    np.testing.assert_array_equal(
        draw.normal(3).sample(0, "w"),
        np.array([1.3734543323516846, 0.04288176819682121, -0.7873964309692383], np.float32),
    )
    np.testing.assert_array_equal(draw.integers(6, high=10).sample(0, "ids"), [4, 5, 9, 0, 8, 0])


@pytest.mark.parametrize("kind", ["normal", "he", "lecun", "bias", "scale", "integers"])
def test_another_name_or_seed_gives_another_array(kind: str) -> None:
    arrays = [DRAWS[kind].sample(seed, name).tobytes() for seed in (0, 1) for name in ("a", "b", "a.b")]
    assert len(set(arrays)) == len(arrays)


@pytest.mark.parametrize("kind", DRAWS)
def test_arrays_have_the_shape_and_the_type_of_their_kind(kind: str) -> None:
    array = DRAWS[kind].sample(0, "a")
    assert array.shape == DRAWS[kind].spec.shape
    types = {"float": np.float32, "constant": np.float32, "int": np.int32, "bool": np.bool_}
    assert array.dtype == types[DRAWS[kind].spec.kind]


def test_only_numbers_that_are_not_constant_can_have_a_gradient() -> None:
    assert {kind for kind in DRAWS if DRAWS[kind].differentiable} == {"normal", "he", "lecun", "bias", "scale"}


def test_no_array_of_any_model_is_constant(tiny: Workload) -> None:
    """Equal weights would hide a gradient that lands on the wrong parameter."""
    for name, array in tiny.sample().items():
        assert array.any(), f"{name} is all zeros"
        assert len(np.unique(array)) > 1 or name == "labels", f"{name} is constant"


@pytest.mark.parametrize(
    ("drawn", "mean", "std"),
    [
        (draw.normal(200, 200), 0, 1),
        (draw.normal(200, 200, std=0.02), 0, 0.02),
        (draw.he(3, 3, 64, 100), 0, np.sqrt(2 / (9 * 64))),
        (draw.lecun(400, 100), 0, np.sqrt(1 / 400)),
        (draw.bias(40_000), 0, 0.02),
        (draw.scale(40_000), 1, 0.1),
    ],
    ids=["normal", "normal-std", "he", "lecun", "bias", "scale"],
)
def test_the_law_is_the_one_that_is_named(drawn: Normal, mean: int, std: float) -> None:
    array = drawn.sample(0, "a")
    assert array.mean() == pytest.approx(mean, abs=5 * std / np.sqrt(array.size))
    assert array.std() == pytest.approx(std, rel=0.03)


def test_integers_reach_all_values_below_high_and_none_above() -> None:
    assert set(draw.integers(1000, high=5).sample(0, "ids")) == {0, 1, 2, 3, 4}


def test_positions_count_up_from_zero() -> None:
    np.testing.assert_array_equal(draw.positions(5).sample(3, "positions"), [0, 1, 2, 3, 4])


def test_rotations_start_at_zero_and_the_first_pair_turns_by_one_a_token() -> None:
    cosines, sines = (d.sample(0, "a") for d in draw.rotation(6, 3, base=1000))
    np.testing.assert_allclose(cosines**2 + sines**2, 1, rtol=1e-6)
    np.testing.assert_allclose(np.arctan2(sines, cosines)[1], [1, 1000 ** (-1 / 3), 1000 ** (-2 / 3)], rtol=1e-6)
    np.testing.assert_array_equal(sines[0], 0)


def test_dropout_keeps_its_share() -> None:
    assert draw.kept(200, 200, rate=0.1).sample(0, "a").mean() == pytest.approx(0.9, abs=0.01)


def test_padding_follows_at_least_half_a_row_of_tokens() -> None:
    seen = draw.padding(300, 9).sample(0, "a")
    assert set(seen.sum(1)) == {5, 6, 7, 8, 9}
    assert (np.diff(seen.astype(int)) <= 0).all()
