"""The method in a few sentences, and the words of the page, for a reader who knows none of them."""

from __future__ import annotations

from ..records.metrics import METRICS, PHASES

METHOD = (
    "To train a network, a computer runs it forward to a loss and then backward to the gradient of every parameter. A "
    "layer y = x W takes one matrix multiply forward and two backward, one for the gradient of x and one for that of "
    "W. So backward should take about twice as long, if time followed multiplies. This page says whether it does.",
    "Before anything is timed, every framework gets the same arrays, its loss and gradients are compared with those of "
    "a float64 reference, and the multiplies that its program executes are counted. A variant that disagrees gets no "
    "time.",
    "Forward and backward are timed right after each other, in pairs, all variants of a workload in turn and in fresh "
    "processes, while the others' processes are stopped. The ratio is the 20 % trimmed mean of ln(backward / forward) "
    "over these pairs.",
    "An interval covers the true ratio in 95 of 100 measurements like this one. It has two parts: how far pairs differ "
    "within a process, and how far processes of the same program differ from each other, which a self-check measures "
    "(make selfcheck) and which is otherwise assumed.",
    "Two numbers are called different only if the interval of their quotient excludes 1. Where an interval's ends "
    "differ by more than a factor of 4, no number is given.",
)

DEFINITIONS: dict[str, str] = {
    "forward": PHASES["forward"],
    "backward": PHASES["backward"],
    "ratio": METRICS["ratio"].sentence,
    "by FLOPs": METRICS["ratio_flops"].sentence,
    "training step": PHASES["gradient"],
    "update": PHASES["update"],
    "kept": METRICS["residual_mib"].sentence,
    "peak": "The most memory in use at once in a training step, parameters included.",
    "FLOPs": "Additions and multiplications of floating point numbers, here those of multiplies and convolutions.",
    "variant": "One way to run a workload: a framework, one of its executions, and implementation choices.",
    "execution": "How a framework runs a program: eager and by_hand go op by op, the others trace or compile it first.",
    "workload": "What is computed: a model at given sizes, with its precision, seed and wanted gradients.",
    "cell": "One variant of one workload on one machine.",
    "noisy": METRICS["noisy"].sentence,
    "host-bound": "The GPU waits for the host in more than half of forward and backward.",
    "gradient error": METRICS["gradient_error"].sentence,
    "residuals": "What forward keeps in memory because backward needs it; it can be computed again instead.",
}
