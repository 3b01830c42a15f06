"""Defines every number in a record, with its unit, by the name under which MLflow shows it; and every field."""

from __future__ import annotations

from typing import NamedTuple

from .reduction import REDUCTION

SCHEMA = 6  # raise it when a field is added or changes its meaning; a reader refuses any newer schema


class Quantity(NamedTuple):
    """The unit of a number, and a sentence that defines it."""

    unit: str
    sentence: str


PHASES = {
    "inference": "Forward with nothing recorded for a gradient.",
    "forward": "Forward that keeps what backward needs.",
    "backward": "From what forward kept to all gradients.",
    "gradient": "Loss and all gradients in one call, as a training loop runs it.",
    "update": "One optimizer step of all parameters, from their gradients.",
    "tangent": "Loss and its derivative along one direction, in forward mode.",
    "forward_inputs": "Forward that keeps what the inputs' gradients need: parameters are frozen.",
    "backward_inputs": "From what forward kept to the gradients of the inputs alone.",
    "forward_params": "Forward that keeps what the parameters' gradients need.",
    "backward_params": "From what forward kept to the gradients of the parameters alone.",
    "forward_local": "With several replicas: forward, before a backward without the reduction.",
    "backward_local": "With several replicas: backward without the reduction of gradients.",
}

METRICS: dict[str, Quantity] = {
    "ratio": Quantity("1", "Time of backward over time of forward, from pairs measured next to each other."),
    "ratio_low": Quantity("1", "Lower end of the 95 % interval of `ratio`."),
    "ratio_high": Quantity("1", "Upper end of the 95 % interval of `ratio`."),
    "ratio_marginal": Quantity("1", "(gradient - inference) / inference: what training adds to inference."),
    "ratio_marginal_low": Quantity("1", "Lower end of the 95 % interval of `ratio_marginal`."),
    "ratio_marginal_high": Quantity("1", "Upper end of the 95 % interval of `ratio_marginal`."),
    "split_over_gradient": Quantity(
        "1",
        "(forward + backward) / gradient, each measured apart, from cycles: outside 0.9 to 1.15, with its interval and "
        "by more than 0.25 ms, the split is not what a training step runs, and the cell is marked.",
    ),
    "split_over_gradient_low": Quantity("1", "Lower end of the 95 % interval of `split_over_gradient`."),
    "split_over_gradient_high": Quantity("1", "Upper end of the 95 % interval of `split_over_gradient`."),
    "ratio_flops": Quantity(
        "1",
        "FLOPs of backward over forward, multiplies and convolutions, as executed; for a pass that was not counted, or "
        "executes fewer of them as multiplies than its trace requests (XLA), those of the trace.",
    ),
    "ratio_flops_asked": Quantity(
        "1", "FLOPs of backward over forward as the trace requests them, whatever is recomputed."
    ),
    "forward_gflops": Quantity("GFLOP/s", "FLOPs of forward, as in `ratio_flops`, over its time."),
    "backward_gflops": Quantity("GFLOP/s", "FLOPs of backward, as in `ratio_flops`, over its time."),
    "forward_flops": Quantity("FLOP", "FLOPs of forward, multiplies and convolutions, counted in the trace."),
    "backward_flops": Quantity("FLOP", "FLOPs of backward, multiplies and convolutions, counted in the trace."),
    "forward_matmuls": Quantity("1", "Multiplies and convolutions of forward in the trace."),
    "backward_matmuls": Quantity("1", "Multiplies and convolutions of backward in the trace."),
    "counter_coverage": Quantity(
        "1",
        "FLOPs of gradient by the framework's own counter over those executed: below 1 where it is blind (torch's "
        "fused attention on a CPU, XLA's loops), above 1 where it adds elementwise operations (XLA).",
    ),
    "predicted_ratio": Quantity(
        "1", "Ratio by counted FLOPs and bytes and this machine's ceilings, computed before anything was measured."
    ),
    "predicted_forward_s": Quantity("s", "Time of forward, predicted like `predicted_ratio`."),
    "predicted_backward_s": Quantity("s", "Time of backward, predicted like `predicted_ratio`."),
    "predicted_ratio_error": Quantity("1", "`predicted_ratio` over `ratio`, less 1."),
    "predicted_forward_error": Quantity("1", "`predicted_forward_s` over the measured time of forward, less 1."),
    "predicted_backward_error": Quantity("1", "`predicted_backward_s` over the measured time of backward, less 1."),
    "gradient_error": Quantity(
        "1", "Largest relative error of a gradient, norm-wise, against the float64 `reference`."
    ),
    "loss_error": Quantity("1", "Relative error of the loss against the float64 `reference`."),
    "residual_mib": Quantity("MiB", "Size of what forward keeps for backward, without parameters and inputs."),
    "dispatch_share": Quantity(
        "1", "Time until forward returns over time until it is done; near 1 on a GPU means that it is host-bound."
    ),
    "backward_dispatch_share": Quantity("1", "Time until backward returns over time until it is done."),
    "launch_gap": Quantity(
        "1", "1 - device / wall of forward and backward together: the share in which the GPU does nothing."
    ),
    "ratio_device": Quantity("1", "`backward_device_ms` over `forward_device_ms`."),
    **{name: Quantity(*unit_and_sentence) for name, unit_and_sentence in REDUCTION.items()},
    "set_up_s": Quantity("s", "From the import of the framework to the verified program, in the first trial."),
    "parameters": Quantity("1", "Parameter values; frozen ones too, but in a model of your own."),
    "pairs": Quantity("1", "Forward and backward pairs measured, all trials together."),
    "trials": Quantity("1", "Fresh sets of processes measured."),
    "measuring_s": Quantity("s", "The variant's warm-up and its share of the rounds, all trials together."),
    "timed_s": Quantity("s", "Time inside timed calls."),
    "load": Quantity("1", "Highest load average of the last minute, read after each visit."),
    "steal_share": Quantity("1", "CPU time that the host took from this machine, over wall time times threads."),
    "others_share": Quantity("1", "CPU time of everything else, the host included, over wall time times threads."),
    "switches_per_s": Quantity("1/s", "Involuntary context switches of the process while it was measured."),
    "cpu_mhz": Quantity("MHz", "Clock of the CPUs, mean over CPUs, median over visits; absent if not reported."),
    "cpu_celsius": Quantity("°C", "Highest temperature of any sensor; absent if none is reported."),
    "throttles": Quantity("1", "How often the CPU was throttled for heat or power; absent if not reported."),
    "gpu_mhz": Quantity("MHz", "Clock of the GPU's multiprocessors, median over readings; absent without a GPU."),
    "gpu_celsius": Quantity("°C", "Highest temperature of the GPU; absent without a GPU."),
    "gpu_watts": Quantity("W", "Power of the GPU, median over readings; absent without a GPU."),
    "drift": Quantity(
        "1", "Largest relative change of forward plus backward from the first half of a trial to its second."
    ),
    "drift_significant": Quantity("1", "1 if `drift` exceeds its 95 % error, else 0; drift hardly affects ratios."),
    "noisy": Quantity("1", "1 if the machine disturbed this variant, else 0; the record says how."),
    **{f"{phase}_ms": Quantity("ms", sentence) for phase, sentence in PHASES.items()},
    **{
        f"{phase}_device_ms": Quantity(
            "ms", f"Time in which the GPU works for {phase}: the union of its kernels, copies and memsets, by CUPTI."
        )
        for phase in PHASES
    },
    **{
        f"{phase}_events_ms": Quantity(
            "ms",
            f"Time of {phase} between the framework's events on the GPU, which is kept busy before: a cross-check.",
        )
        for phase in PHASES
    },
    **{f"{phase}_kernels": Quantity("1", f"Kernels that the GPU runs for {phase}.") for phase in PHASES},
    **{
        f"{phase}_peak_mib": Quantity(
            "MiB",
            f"The most memory in use at once in {phase}, parameters included: by the allocator, in jax as the compiler "
            "planned its program, and else by the process's high-water mark; the record says which.",
        )
        for phase in PHASES
    },
    **{
        f"{phase}_joules": Quantity("J", f"Energy of the whole device for a call of {phase}, in a loop of 2 s or more.")
        for phase in PHASES
    },
    **{
        f"first_{phase}_s": Quantity("s", f"First call of {phase}: trace, compile and tune included.")
        for phase in PHASES
    },
    **{
        f"executed_{phase}_matmuls": Quantity("1", f"Multiplies and convolutions in the program of {phase} that runs.")
        for phase in PHASES
    },
    **{
        f"executed_{phase}_flops": Quantity("FLOP", f"FLOPs of multiplies and convolutions in the program of {phase}.")
        for phase in PHASES
    },
}

FIELDS: dict[str, str] = {
    "schema": "Version of this layout.",
    "id": "Names this measurement; unique.",
    "created": "When it ended, UTC.",
    "study": "Which study it belongs to.",
    "sweep": "Which sweep of that study.",
    "cell": "Names the workload, device and variant; the same in every sweep.",
    "model": "Name of the model.",
    "workload": "Model, sizes, precision, gradients, what is frozen, and seed: enough to draw the same arrays again.",
    "device": "cpu or cuda.",
    "threads": "CPU threads given to the framework.",
    "memory": "kept: the process keeps what it frees; returned: glibc's default, which gives large arrays back.",
    "framework": "Which framework.",
    "execution": "Which execution of it.",
    "choices": "Implementation choices, by name; adapters/choices.py describes each.",
    "outcome": "ok, invalid, unsupported, oom, timeout, crashed or error.",
    "reason": "One sentence that says why, where the outcome is not ok.",
    "phases": "By phase: milliseconds, seconds of the first call, multiplies and FLOPs executed and requested, why"
    " these differ, and the GPU's own milliseconds, kernels, memory and joules.",
    "metrics": "All other numbers, by name; see METRICS.",
    "interval": "The sources of variation that the intervals cover.",
    "floor": "The machine's noise floor as its self-check found it, in one line.",
    "stop": "Why each trial stopped: target, settled, cap or budget.",
    "noise": "What disturbed the measurement, in one sentence, or empty.",
    "gradient_errors": "Relative error of each gradient, norm-wise, by parameter.",
    "reference": "Where the loss and gradients that it was compared with were computed, empty if it came to none.",
    "described": "Versions and settings in force, as the adapter reports them, the CPUs that the process may use,"
    " where a device's own numbers are from, or why there are none, and with whom it was measured if not with all.",
    "machine": "Processor, its vector instructions, cores, memory, kernel, GPUs.",
    "environment": "The environment variables that change kernels, as they were set.",
    "environment_name": "The name of the environment that it ran in, empty where none was named.",
    "rounds": "Shared by the cells that were measured in the same rounds, interleaved.",
    "harness": "Version and commit of this program.",
    "measure": "The measuring settings.",
    "versions": "Digests of the traced work and of the code that executes it, and the framework's installed version.",
    "remeasured": "Why an earlier record of this cell was discarded, or empty.",
    "samples": "One entry a trial: seconds per call by phase; per cycle switches, CPU (own, others) and wall seconds;"
    " per visit what the kernel reported.",
}
