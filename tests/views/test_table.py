"""The findings as text, from records whose numbers are known."""

from __future__ import annotations

import pytest

from harness.views.table import COLUMNS, answer, markdown, remarks, row
from tests.helpers.claims import split

BELOW, ABOVE, STRADDLING = (1.7, 1.8, 1.9), (2.2, 2.4, 2.6), (1.9, 2.05, 2.2)


def cells(record) -> dict[str, str]:
    return dict(zip(COLUMNS, row(record), strict=True))


def test_a_row_holds_the_numbers_of_its_record(record):
    assert cells(record(ratio=(1.749, 1.8149, 1.8751))) == {
        "model": "mlp",
        "framework": "torch",
        "execution": "eager",
        "forward ms": "1.23",
        "backward ms": "2.35",
        "ratio": "1.81",
        "95 % interval": "1.75 to 1.88",
        "by FLOPs": "1.67",
        "marginal": "1.94",
        "grad error": "2.5e-07",
        "matmuls F / B": "3 / 5",
        "outcome": "ok",
    }


def test_the_noise_floor_is_quoted_once(record):
    records = [record(floor="noise floor: 2 %"), record(execution="compile", floor="noise floor: 2 %")]
    assert remarks(records) == ["noise floor: 2 %"]
    assert "- noise floor: 2 %" in markdown(records)


def test_a_failure_leaves_its_row_empty_and_says_why_in_a_remark(failed):
    made = failed("oom", "out of memory (8 TiB)")
    found = cells(made)
    assert found["outcome"] == "oom"
    assert remarks([made]) == ["mlp torch-eager is oom: out of memory (8 TiB)"]
    assert found["by FLOPs"] == "1.67"
    assert {found[name] for name in ("forward ms", "ratio", "95 % interval", "matmuls F / B")} == {""}


def test_a_record_with_too_few_pairs_has_a_ratio_and_no_interval(record):
    made = record()
    del made.metrics["ratio_low"], made.metrics["ratio_high"]
    assert (cells(made)["ratio"], cells(made)["95 % interval"]) == ("1.81", "too few pairs")


def test_noise_and_differing_counts_are_marked_and_remarked(record):
    made = record(noise="a neighbour", notes={"backward": "the kernel recomputes"})
    assert cells(made)["outcome"] == "ok, noisy"
    assert cells(made)["matmuls F / B"] == "3 / 5*"
    assert remarks([record(), made]) == [
        "* mlp torch-eager, backward: the kernel recomputes",
        "mlp torch-eager is noisy: a neighbour",
    ]


@pytest.mark.parametrize(
    ("ratios", "found"),
    [
        ([BELOW, BELOW], "of 2 variants, 2 lie below 2, 0 above, and 0 cannot be told from 2"),
        ([ABOVE, ABOVE, ABOVE], "of 3 variants, 0 lie below 2, 3 above, and 0 cannot be told from 2"),
        ([STRADDLING], "of 1 variant, 0 lie below 2, 0 above, and 1 cannot be told from 2"),
        ([ABOVE, BELOW, STRADDLING], "of 3 variants, 1 lies below 2, 1 above, and 1 cannot be told from 2"),
    ],
)
def test_the_answer_counts_intervals_not_point_values(record, ratios, found):
    assert found in answer([record(ratio=ratio) for ratio in ratios])


@pytest.mark.parametrize(("bounds", "side"), [((2.0, 2.1, 2.2), "0 above"), ((1.8, 1.9, 2.0), "0 lie below")])
def test_an_interval_that_touches_2_cannot_be_told_from_it(record, bounds, side):
    assert side in answer([record(ratio=bounds)])
    assert "1 cannot be told" in answer([record(ratio=bounds)])


def test_the_answer_gives_the_range_of_ratios_the_flops_and_the_machine(record):
    records = [record(ratio=ABOVE, metrics={"ratio_flops": 1.9, "ratio_flops_asked": 1.9}), record(ratio=BELOW)]
    said = answer(records)
    assert "By FLOPs it is 1.67 to 1.90 times;" in said
    assert "takes 1.80 to 2.40 times" in said
    assert "measured on Quick 3000, 2 threads" in said
    assert "By FLOPs it is 1.67 times;" in answer([records[1]])
    assert "it takes 1.80 times: of 1 variant, 1 lies below 2" in answer([records[1]])


def test_flops_are_those_that_ran_with_those_asked_for_beside_them(record):
    """Fused attention computes its scores again: five multiplies for the four that were asked."""
    fused = record(ratio=ABOVE, metrics={"ratio_flops": 2.5, "ratio_flops_asked": 2.0})
    assert cells(fused)["by FLOPs"] == "2.50 (2.00)"
    assert cells(record())["by FLOPs"] == "1.67"
    assert "By FLOPs it is 2.50 times (2.00 as asked);" in answer([fused])
    assert "By FLOPs it is 1.67 to 2.50 times (1.67 to 2.00 as asked);" in answer([fused, record(ratio=BELOW)])


def test_what_has_no_flops_has_no_ratio_of_them(record):
    made = record(ratio=BELOW)
    del made.metrics["ratio_flops"], made.metrics["ratio_flops_asked"]
    assert cells(made)["by FLOPs"] == ""
    assert "By FLOPs it cannot be told" in answer([made])
    assert "By FLOPs it is 1.67 times" in answer([made, record(ratio=BELOW)])


def test_a_split_that_is_not_what_a_step_runs_is_marked_once_in_its_row_and_told_below(record):
    made = record(metrics=split(1.2, 1.3, 1.4))
    assert cells(made)["ratio"] == "1.81†"
    assert "†" not in "".join(row(record()))
    assert remarks([record(), made]) == [
        "† mlp torch-eager: forward and backward take 1.30 times gradient (1.20 to 1.40): why is not known"
    ]


def test_a_cell_whose_gpu_mostly_waits_is_marked_host_bound_and_says_what_the_gpu_takes(record):
    gap = {"launch_gap": 0.86, "ratio_device": 1.66}
    made, busy = record(metrics=gap, noise="a neighbour"), record(metrics=gap | {"launch_gap": 0.5})
    assert cells(made)["outcome"] == "ok, host-bound, noisy"
    assert cells(busy)["outcome"] == "ok"
    assert remarks([busy, made]) == [
        "mlp torch-eager is host-bound: the GPU works in 14% of forward and backward; by its own time backward / "
        "forward is 1.66",
        "mlp torch-eager is noisy: a neighbour",
    ]


def test_on_a_gpu_the_answer_names_it(record):
    made = record(device="cuda", machine={"cpu": "Quick 3000", "gpus": ["Big 1"]})
    assert "measured on Big 1 it" in answer([made])


@pytest.mark.parametrize("outcome", ["invalid", "unsupported", "oom", "timeout", "crashed", "error"])
def test_only_what_was_measured_counts(record, failed, outcome):
    failure = failed(outcome, "a reason")
    assert answer([failure, record(ratio=BELOW)]) == answer([record(ratio=BELOW)])
    assert answer([failure]) == answer([]) == "Nothing was measured, so there is no answer."


def test_markdown_is_the_answer_a_table_and_the_remarks(record, failed):
    records = [record(noise="a neighbour"), failed("error", "a | b")]
    lines = markdown(records).splitlines()
    assert lines[0] == answer(records)
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4
    assert {line.count("|") for line in table} == {len(COLUMNS) + 1}, "a | in a reason would open a column"
    assert "1.81" in table[2] and table[3].endswith("| error |")
    assert lines[-2:] == ["- mlp torch-eager is noisy: a neighbour", "- mlp torch-eager is error: a | b"]
