"""What MLflow's run of a record holds: params, metrics and tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...records.record import Record
from ..answer import is_conclusive

# MLflow makes a section of its charts of what stands before a slash, and such sections come first: a page that nobody
# has arranged begins with the answer. All numbers stand beside it under their plain names.
ANSWER = "answer/"
_ANSWERS = ("ratio", "ratio_flops", "gradient_ms", "residual_mib")

_COLOURS = {  # a hue for each framework; MLflow chooses the colours of others
    ("torch", "eager"): "#d9480f",
    ("torch", "compile"): "#ffa94d",
    ("jax", "jit"): "#7048e8",
    ("tensorflow", "eager"): "#2b8a3e",
    ("tensorflow", "graph"): "#69b34c",
    ("tensorflow", "xla"): "#0c8599",
    ("numpy", "by_hand"): "#868e96",
}


def params_of(record: Record) -> dict[str, str]:
    """What was measured: sizes, settings and choices."""
    params = sizes_of(record) | {
        "model": record.model,
        "precision": record.workload["precision"],
        "seed": record.workload["seed"],
        "device": record.device,
        "threads": record.threads,
        "memory": record.memory,
        "framework": record.framework,
        "execution": record.execution,
        "gradients": record.workload["gradients"],
        **({"frozen": record.workload["frozen"]} if "frozen" in record.workload else {}),
        **record.choices,
        **({"environment": record.environment_name} if record.environment_name else {}),
    }
    return {name: str(value) for name, value in params.items()}


def sizes_of(record: Record) -> dict[str, Any]:
    """The sizes of the model that are set."""
    return {name: value for name, value in record.workload["sizes"].items() if value is not None}


def swept_sizes(records: Sequence[Record]) -> list[str]:
    """The numeric sizes in which workloads of the same model differ."""
    values: dict[tuple[str, str], set[Any]] = {}
    for record in records:
        for name, value in sizes_of(record).items():
            if isinstance(value, (int, float)):
                values.setdefault((record.model, name), set()).add(value)
    return list(dict.fromkeys(name for (_, name), several in values.items() if len(several) > 1))


def metrics_of(record: Record) -> dict[str, float]:
    """Every number of a record under the name that `harness/records/metrics.py` gives it."""
    named: dict[str, float | None] = dict(record.metrics)
    for name, phase in record.phases.items():
        named |= {
            f"{name}_ms": phase.ms,
            f"first_{name}_s": phase.first_s,
            f"executed_{name}_matmuls": phase.matmuls,
            f"executed_{name}_flops": phase.flops,
            f"{name}_matmuls": phase.asked_matmuls,
            f"{name}_flops": phase.asked_flops,
            f"{name}_device_ms": phase.device_ms,
            f"{name}_kernels": phase.kernels,
            f"{name}_peak_mib": phase.peak_mib,
            f"{name}_joules": phase.joules,
        }
    for name in ("forward", "backward"):
        named[f"{name}_gflops"] = record.phases[name].gflops
    return {name: float(value) for name, value in named.items() if value is not None}


def logged_metrics(record: Record) -> dict[str, float]:
    """All that MLflow gets as metrics.

    Numeric sizes are among them, since MLflow compares no params as numbers; and those numbers that answer the question
    once more as `answer/...`, where a ratio is left out whose interval tells nothing.
    """
    sizes = {name: float(value) for name, value in sizes_of(record).items() if isinstance(value, (int, float))}
    numbers = metrics_of(record)
    answers = {f"{ANSWER}{name}": numbers[name] for name in _ANSWERS if name in numbers}
    if not is_conclusive(record):
        answers.pop(f"{ANSWER}ratio", None)
    return sizes | numbers | answers


def tags_of(record: Record) -> dict[str, str]:
    """Outcome, versions, machine and environment."""
    tags = {
        "kind": "variant",
        "outcome": record.outcome,
        "reason": record.reason,
        "noise": record.noise,
        "remeasured": record.remeasured,
        "cell": record.cell,
        "record": record.id,
        "interval": record.interval,
        "stop": ", ".join(record.stop),
        **{f"version.{k}": v for k, v in (record.versions | record.described).items()},
        **{f"machine.{k}": str(v) for k, v in record.machine.items()},
        **{f"environment.{k}": v for k, v in (record.environment or {}).items()},
    }
    colour = _COLOURS.get((record.framework, record.execution))
    return tags | ({"mlflow.runColor": colour} if colour else {})


def seconds_spent(record: Record) -> float:
    """The seconds that were spent on a variant: its set-up and its share of the rounds."""
    return record.metrics.get("set_up_s", 0.0) + record.metrics.get("measuring_s", 0.0)
