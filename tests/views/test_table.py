"""The findings as text, from records whose numbers are known."""

from __future__ import annotations

from collections.abc import Callable

from harness.records.record import Record
from harness.views.answer import answer
from harness.views.table import COLUMNS, Table, markdown, remarks
from tests.helpers.claims import split

BELOW, ABOVE, STRADDLING = (1.7, 1.8, 1.9), (2.2, 2.4, 2.6), (1.9, 2.05, 2.2)


def cells(record: Record) -> dict[str, str]:
    """The texts of a row with their marks, by column."""
    return {
        name: cell.text + cell.marks
        for name, cell in zip(COLUMNS, Table.of([record]).row(0, list(COLUMNS)), strict=True)
    }


AGREE = "gradients agree with the float64 oracle, but for a relative error of 2.5e-07"
IN_COMMON = "mlp: batch=32, depth=3, width=64, precision=fp32"


def test_a_row_holds_the_numbers_of_its_record(record: Callable[..., Record]) -> None:
    assert cells(record(ratio=(1.749, 1.8149, 1.8751))) == {
        "variant": "torch eager",
        "forward ms": "1.23",
        "backward ms": "2.35",
        "ratio": "1.81",
        "95 % interval": "1.75 to 1.88",
        "exposed": "",
        "device ratio": "",
        "by FLOPs": "1.67",
        "matmuls F / B": "3 / 5",
        "step ms": "",
        "update ms": "",
        "kept MiB": "",
        "marginal": "1.94",
        "grad error": "2.5e-07",
    }


def test_the_noise_floor_is_quoted_once(record: Callable[..., Record]) -> None:
    records = [record(floor="noise floor: 2 %"), record(execution="compile", floor="noise floor: 2 %")]
    assert remarks(records) == [IN_COMMON, f"{AGREE} at most", "noise floor: 2 %"]
    assert "- noise floor: 2 %" in markdown(records)


def test_a_failure_leaves_its_row_empty_and_says_why_in_a_remark(failed: Callable[..., Record]) -> None:
    made = failed("oom", "out of memory (8 TiB)")
    found = cells(made)
    assert found["95 % interval"] == "oom"
    assert remarks([made]) == ["mlp torch eager is oom: out of memory (8 TiB)", IN_COMMON]
    assert found["by FLOPs"] == "1.67"
    assert {found[name] for name in ("forward ms", "ratio", "matmuls F / B")} == {""}


def test_a_reason_that_several_variants_share_stands_once(failed: Callable[..., Record]) -> None:
    made = [failed("unsupported", "no compiler", execution=name) for name in ("a", "b", "c", "d", "e")]
    assert remarks(made[:1])[0] == "mlp torch a is unsupported: no compiler"
    assert remarks(made[:2])[0] == "mlp torch a and mlp torch b are unsupported: no compiler"
    assert remarks(made)[0] == "mlp torch a, mlp torch b, mlp torch c and 2 others are unsupported: no compiler"


def test_a_record_with_too_few_pairs_has_a_ratio_and_no_interval(record: Callable[..., Record]) -> None:
    made = record()
    del made.metrics["ratio_low"], made.metrics["ratio_high"]
    assert (cells(made)["ratio"], cells(made)["95 % interval"]) == ("1.81", "too few pairs")


def test_noise_and_differing_counts_are_marked_and_remarked(record: Callable[..., Record]) -> None:
    made = record(noise="a neighbour", notes={"backward": "the kernel recomputes"}, metrics={"others_share": 0.5})
    assert cells(made)["variant"] == "torch eager†"
    assert cells(made)["matmuls F / B"] == "3 / 5*"
    assert remarks([record(), made])[:2] == [
        "* backward: the kernel recomputes",
        "† noisy: 1 variant was disturbed while measured (others took up to 50% of the CPUs); "
        "redo=noisy measures it again",
    ]


WIDE = (0.38, 9.8, 253.0)


def test_an_interval_that_tells_nothing_is_no_number(record: Callable[..., Record]) -> None:
    made = cells(record(ratio=WIDE))
    assert (made["ratio"], made["95 % interval"]) == ("", "cannot tell")
    assert "cannot tell: the ends of the interval differ by more than a factor of 4" in remarks([record(ratio=WIDE)])
    assert cells(record(ratio=(1.0, 2.0, 4.0)))["95 % interval"] == "1.00 to 4.00"


def test_flops_are_those_that_ran_with_those_asked_for_beside_them(record: Callable[..., Record]) -> None:
    """Fused attention computes its scores again: five multiplies for the four that were asked."""
    fused = record(ratio=ABOVE, metrics={"ratio_flops": 2.5, "ratio_flops_asked": 2.0})
    assert cells(fused)["by FLOPs"] == "2.50 (2.00)"
    assert cells(record())["by FLOPs"] == "1.67"
    assert "By FLOPs it is 2.50 times (2.00 as asked);" in answer([fused])
    assert "By FLOPs it is 1.67 to 2.50 times (1.67 to 2.00 as asked);" in answer([fused, record(ratio=BELOW)])


def test_what_has_no_flops_has_no_ratio_of_them(record: Callable[..., Record]) -> None:
    made = record(ratio=BELOW)
    del made.metrics["ratio_flops"], made.metrics["ratio_flops_asked"]
    assert cells(made)["by FLOPs"] == ""
    assert "By FLOPs it cannot be told" in answer([made])
    assert "By FLOPs it is 1.67 times" in answer([made, record(ratio=BELOW)])


def test_a_split_that_is_not_what_a_step_runs_is_marked_once_in_its_row_and_told_below(
    record: Callable[..., Record],
) -> None:
    made = record(metrics=split(1.2, 1.3, 1.4))
    assert cells(made)["ratio"] == "1.81*"
    assert "*" not in "".join(cells(record()).values())
    assert remarks([record(), made])[0] == (
        "* the split into forward and backward is not what a training step runs: mlp torch eager, "
        "forward and backward take 1.30 times gradient (1.20 to 1.40): why is not known"
    )


def test_a_gradient_that_takes_less_time_than_its_own_part_is_called_impossible(record: Callable[..., Record]) -> None:
    made = record(metrics={"ratio_marginal": -0.5, "ratio_marginal_low": -0.6, "ratio_marginal_high": -0.4})
    assert cells(made)["ratio"] == "1.81*"
    assert remarks([record(), made])[0].startswith("* below what is possible: loss and gradients in one call take less")


def test_a_model_of_ones_own_agrees_with_itself(record: Callable[..., Record]) -> None:
    sizes = {"torch": "mine:build", "arguments.width": 8}
    own = {"name": "own", "sizes": sizes, "precision": "fp32", "seed": 0, "gradients": "params"}
    lines = remarks([record(model="mine:build", workload=own)])
    assert "mine:build: arguments.width=8, precision=fp32" in lines
    assert any("gradients agree with the same program in float64" in line for line in lines)


def test_a_cell_whose_gpu_mostly_waits_is_marked_host_bound_and_says_what_the_gpu_takes(
    record: Callable[..., Record],
) -> None:
    gap = {"launch_gap": 0.86, "ratio_device": 1.66}
    made, busy = record(metrics=gap), record(metrics=gap | {"launch_gap": 0.5})
    assert cells(made)["variant"].endswith("*")
    assert cells(made)["device ratio"] == "1.66"
    assert "*" not in "".join(cells(busy).values())
    assert remarks([busy, made])[0] == (
        "* host-bound: the GPU waits for the host most of the time: mlp torch eager, the GPU works in 14% of forward "
        "and backward; by its own time backward / forward is 1.66"
    )


def test_the_step_the_update_and_what_is_kept_are_there_where_they_were_measured(
    record: Callable[..., Record], failed: Callable[..., Record]
) -> None:
    plain, step = record(), record(metrics={"gradient_ms": 3.456, "update_ms": 1234.5, "residual_mib": 0.75})
    added = ["step ms", "update ms", "kept MiB"]
    assert not set(added) & set(Table.of([plain]).columns)
    assert set(added) <= set(Table.of([failed("oom", "memory"), step]).columns)
    assert [cells(step)[name] for name in added] == ["3.46", "1234", "0.75"]
    (legend,) = [line for line in remarks([step]) if "gradient_ms" in line]
    assert "update:" in legend and "residual_mib" in legend
    assert "update:" not in " ".join(remarks([record(metrics={"gradient_ms": 3.456})]))


def test_a_choice_of_all_variants_is_said_once_below(record: Callable[..., Record]) -> None:
    made = [record(execution=name, choices=record().choices | {"optimizer": "adam"}) for name in ("a", "b")]
    table = Table.of(made)
    assert [table.row(number, ["variant"])[0].text for number in (0, 1)] == ["torch a", "torch b"]
    assert "all variants: optimizer=adam" in table.remarks()
    table = Table.of([*made, record(execution="c")])
    assert table.names == ["mlp torch a optimizer=adam", "mlp torch b optimizer=adam", "mlp torch c"]
    assert not any("all variants" in line for line in table.remarks())


def test_markdown_is_the_answer_a_table_and_the_remarks(
    record: Callable[..., Record], failed: Callable[..., Record]
) -> None:
    records = [record(noise="a neighbour"), failed("error", "a | b")]
    lines = markdown(records).splitlines()
    assert lines[0] == Table.of(records).answer
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4
    assert {line.count("|") for line in table} == {len(Table.of(records).columns) + 2}, "a | would open a column"
    assert "| mlp | torch eager* |" in table[2] and "1.81" in table[2] and "| error |" in table[3]
    assert lines[-4].startswith(r"- \* noisy: 1 variant was disturbed"), "a bare * would begin a list"
    assert lines[-3] == "- mlp torch eager is error: a | b"


def test_what_a_reduction_costs_has_a_column_where_there_are_replicas(record: Callable[..., Record]) -> None:
    shares = {"exposed_communication": 0.2, "exposed_communication_low": 0.1, "exposed_communication_high": 0.3}
    split = record(metrics=shares)
    assert "exposed" not in Table.of([record()]).columns
    assert "exposed" in Table.of([record(), split]).columns
    assert cells(split)["exposed"] == "20% (10% to 30%)"
    assert any(line.startswith("exposed: the share of backward") for line in remarks([split]))
    assert not any("exposed" in line for line in remarks([record()]))
