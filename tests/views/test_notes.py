"""Notes below a table: each stands once, and marks the rows that it concerns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.records.record import Record
from harness.views.table import Table, remarks
from harness.workload.workload import Workload


def test_a_note_stands_once_whatever_the_phases_and_rows_that_it_concerns(record: Callable[..., Record]) -> None:
    again = "the kernel recomputes."
    made = [record(notes={"forward": again, "backward": again}, execution=name) for name in ("a", "b", "c")]
    made += [record(execution="d"), record(notes={"backward": "It is merged."}, execution="e", noise="a neighbour")]
    made.append(record(execution="f", noise="another neighbour"))
    table = Table.of(made)
    assert [table.row(number, ["variant", "matmuls F / B"]) for number in range(6)] == [
        *([(f"torch {name}", ""), ("3 / 5", "*")] for name in ("a", "b", "c")),
        [("torch d", ""), ("3 / 5", "")],
        [("torch e", "‡"), ("3 / 5", "†")],
        [("torch f", "‡"), ("3 / 5", "")],
    ]
    assert table.remarks()[:3] == [
        f"* forward, backward: {again}",
        "† backward: It is merged.",
        "‡ noisy: 2 variants were disturbed while measured; redo=noisy measures them again",
    ]


def test_an_op_whose_pass_is_slow_beside_its_others_is_marked(record: Callable[..., Record]) -> None:
    made = record(workload=Workload.of("op", {"op": "linear"}).as_dict(), model="linear")
    made.phases["backward"].ms, slow = 0.5, replace(made, execution="compile", phases=dict(made.phases))
    slow.phases["backward"] = replace(slow.phases["backward"], ms=0.1)
    assert [cell.marks for cell in (Table.of([made, slow]).row(row, ["ratio"])[0] for row in (0, 1))] == ["", "*"]
    assert remarks([made, slow])[0].startswith(
        "* likely a kernel problem, one pass 3 times slower than the best of the same op: linear torch compile, "
    )


def test_there_are_marks_for_any_number_of_notes(record: Callable[..., Record]) -> None:
    made = [record(notes={"backward": f"reason {number}"}) for number in range(12)]
    marks = [note.mark for note in Table.of(made).notes]
    assert marks[:6] == ["*", "†", "‡", "§", "¶", "**"] and len(set(marks)) == 12
