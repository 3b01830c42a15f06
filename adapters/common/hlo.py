"""Counts the multiplies in an XLA program from its optimised HLO text, as jax and tensorflow both print it.

The walk starts at ENTRY and follows calls, so that what is never called does not count and a loop's body counts
once per trip. It knows `dot`, `convolution` and the library calls that take their place on a GPU.

A convolution counts as the forward convolution that it belongs to (2 x outputs x taps x inputs per group, taps on
padding included), whichever way XLA writes it: see `_image`. A multiply that XLA has turned into an elementwise
product and a sum is no longer a multiply. XLA's CPU computes the dW of a grouped convolution for every pair of
channels and then picks: the count says so.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction

from ..base import Executed
from .hlo_text import Computation, Instruction, Shape, numbers, operand_names, parse

_CALLED = re.compile(r"\b(?:calls|to_apply|body|condition)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"\b(?:branch_computations=\{([^}]*)\}|(?:true|false)_computation=(%?[\w.\-]+))")
_TRIPS = re.compile(r'"known_trip_count":\s*\{"n":"(\d+)"')
_TARGET = re.compile(r'custom_call_target="([^"]*)"')
_ATTENTION = re.compile(r'custom_call_target="__cudnn\$fmha\w*?Softmax(?:Dropout)?(Backward)?\w*"')
_CONTRACTING = re.compile(r"\blhs_contracting_dims=\{([\d,]*)\}")
_GEMM_CONTRACTING = re.compile(r'"lhs_contracting_dimensions":\s*\[([^\]]*)\]')
_DILATION = re.compile(r"\blhs_dilate=([\dx]+)")
_REVERSED = re.compile(r"\bdimensions=\{([\d,]*)\}")
_DIM_LABELS = re.compile(r"\bdim_labels=(\w+)_(\w+)->(\w+)")

# What leaves the order of an image's pixels as it is.
_MOVES = ("bitcast", "copy", "transpose", "reshape", "convert")


@dataclass(frozen=True)
class Multiply:
    """One executed matrix multiply or convolution; `flops` counts 2 per multiply-add."""

    kind: str
    flops: int


def multiplies(text: str) -> list[Multiply]:
    """List each multiply of a module as often as it runs. Raises ValueError if the text does not say how often."""
    entry, computations = parse(text)
    return _count(entry, computations)


def executed(*texts: str) -> Executed:
    """Count the multiplies of a phase whose program consists of these HLO modules."""
    found = [multiply for text in texts for multiply in multiplies(text)]
    return Executed(len(found), sum(multiply.flops for multiply in found))


def _count(name: str, computations: dict[str, Computation]) -> list[Multiply]:
    found = []
    computation = computations[name]
    for label, instruction in computation.items():
        if attention := _ATTENTION.search(instruction.attributes):
            # [batch, positions, heads, d]; two products, and in backward the first one again and four gradients.
            q, k = (computation[operand].shapes[0] for operand in instruction.operands[:2])
            found += [Multiply("dot", 2 * math.prod(q) * k[1])] * (5 if attention[1] else 2)
            continue
        if multiply := _multiply(label, instruction, computation, computations):
            found.append(multiply)
            continue
        inner = [m for called in _CALLED.findall(instruction.attributes) for m in _count(called, computations)]
        if len(inner) == 1 and instruction.opcode == "fusion":
            inner = [_without_padding(inner[0], instruction, computation, computations)]
        if inner and instruction.opcode == "while":
            trips = _TRIPS.search(instruction.attributes)
            if not trips:
                raise ValueError("a loop with multiplies does not say how many trips it makes")
            inner *= int(trips[1])
        found += inner
        branches = [b for pair in _BRANCHES.findall(instruction.attributes) for b in operand_names(",".join(pair))]
        if any(_count(branch, computations) for branch in branches):
            raise ValueError("a conditional has multiplies in a branch; which branch runs is unknown")
    return found


def _multiply(
    name: str, instruction: Instruction, computation: Computation, computations: dict[str, Computation]
) -> Multiply | None:
    """The multiply that one instruction is, if it is one."""
    attributes = instruction.attributes

    def operand(position: int) -> Shape:
        return computation[instruction.operands[position]].shapes[0]

    def dot(contracting: re.Match[str] | None) -> Multiply:
        # A product without contracting dimensions is an outer product: one multiply-add for each output.
        inner = math.prod(operand(0)[axis] for axis in numbers(contracting[1])) if contracting else 1
        return Multiply("dot", 2 * math.prod(instruction.shapes[0]) * inner)

    if instruction.opcode == "dot":
        return dot(_CONTRACTING.search(attributes))
    if instruction.opcode == "convolution":
        labels = _dim_labels(attributes)
        arrays = operand(0), operand(1), instruction.shapes[0]
        left, right, out = (_pixels(shape, label) for shape, label in zip(arrays, labels, strict=True))
        flops = _convolution_flops(instruction.shapes[0], operand(1), labels[1])
        axes = [_reversed_before(name, computation, computations) for name in instruction.operands[:2]]
        axes.append(_reversed_after(name, computation, computations))
        reversals = map(_is_reversed, axes)
        met = {"left": out * right, "right": left * out, "out": left * right}[_image(attributes, *reversals)]
        return Multiply("convolution", flops * met // (out * right))
    if instruction.opcode != "custom-call":
        return None

    found = _TARGET.search(attributes)
    target = found[1] if found else ""
    if target.startswith("__cublas$"):
        return dot(_GEMM_CONTRACTING.search(attributes))
    if target.startswith("__onednn$matmul"):
        # Either operand may be transposed: the sizes of all three give the inner dimension without knowing which.
        a, b, size = operand(0), operand(1), math.prod(instruction.shapes[0])
        inner = math.isqrt(math.prod(a) * math.prod(b) // (math.prod(b[:-2]) * size))
        return Multiply("dot", 2 * size * inner)
    if target.startswith("__cudnn$conv"):
        _, filters, _ = _dim_labels(attributes)
        result = instruction.shapes[0]
        if target == "__cudnn$convBackwardFilter":
            return Multiply("convolution", _convolution_flops(operand(1), result, filters))
        gradient = operand(0) if target == "__cudnn$convBackwardInput" else result
        return Multiply("convolution", _convolution_flops(gradient, operand(1), filters))
    return None


def _without_padding(
    multiply: Multiply, instruction: Instruction, computation: Computation, computations: dict[str, Computation]
) -> Multiply:
    """The multiply of a fusion, without the zeros that XLA has appended to both factors.

    It does so where it splits a long sum among blocks of a GPU, whose number has to divide the sum's length.
    """
    shares = {_unpadded(name, computation, computations) for name in instruction.operands}
    if multiply.kind != "dot" or len(shares) != 1:
        return multiply
    return replace(multiply, flops=int(multiply.flops * shares.pop()))


def _unpadded(name: str, computation: Computation, computations: dict[str, Computation]) -> Fraction:
    """The share of an array's elements that are not appended to it just before."""
    instruction = computation[name]
    if instruction.opcode in _MOVES:
        return _unpadded(instruction.operands[0], computation, computations)
    if instruction.opcode == "fusion" and (called := _CALLED.search(instruction.attributes)):
        inside = computations[called[1]]
        root = list(inside)[-1]
        return _unpadded(root, inside, computations) if inside[root].opcode == "pad" else Fraction(1)
    if instruction.opcode != "pad":
        return Fraction(1)
    return Fraction(math.prod(computation[instruction.operands[0]].shapes[0]), math.prod(instruction.shapes[0]))


def _convolution_flops(output: Shape, kernel: Shape, filters: str) -> int:
    """FLOPs of the forward convolution with that output; `filters` labels the kernel's axes, as in `01io`."""
    return 2 * math.prod(output) * math.prod(kernel) // kernel[filters.index("o")]


def _dim_labels(attributes: str) -> tuple[str, str, str]:
    found = _DIM_LABELS.search(attributes)
    if not found:
        raise ValueError(f"a convolution without dim_labels: {attributes!r}")
    return found[1], found[2], found[3]


def _pixels(shape: Shape, labels: str) -> int:
    """The spatial size of an array with these axes."""
    return math.prod(size for size, label in zip(shape, labels, strict=True) if label.isdigit())


def _image(attributes: str, left_reversed: bool, right_reversed: bool, out_reversed: bool) -> str:
    """Which of the three arrays of a convolution is the layer's input, whose positions are sums of the others'.

    The work is a multiply-add for each pair of pixels of the other two: the layer's output and kernel. XLA's
    convolution reads the left array at output + window position. Reversing the right makes the output the sum
    (dX); reversing both makes it the right one (a dW with its operands swapped). To reverse all three changes nothing.
    """
    right_reversed ^= "rhs_reversal=" in attributes
    if out_reversed:
        left_reversed, right_reversed = not left_reversed, not right_reversed
    if left_reversed and right_reversed:
        return "right"
    # Kernels of one pixel are not reversed; a dilated left array is a strided layer's gradient all the same.
    # A third axis is no image's: the groups of a dW stand on it, dilated.
    dilated = _DILATION.search(attributes)
    strided = dilated is not None and any(int(n) > 1 for n in dilated[1].split("x")[:2])
    return "out" if left_reversed or right_reversed or strided else "left"


def _is_reversed(axes: int) -> bool:
    """Whether an image with that many reversed axes is reversed: XLA reverses both axes, in one step or two."""
    return axes % 4 in (1, 2)


def _axes(instruction: Instruction) -> int:
    """How many axes an instruction reverses."""
    axes = _REVERSED.search(instruction.attributes) if instruction.opcode == "reverse" else None
    return len(numbers(axes[1])) if axes else 0


def _reversed_before(name: str, computation: Computation, computations: dict[str, Computation]) -> int:
    """How many axes of an operand are reversed before it gets here."""
    instruction = computation[name]
    if instruction.opcode in (*_MOVES, "reverse"):
        return _axes(instruction) + _reversed_before(instruction.operands[0], computation, computations)
    called = _CALLED.findall(instruction.attributes) if instruction.opcode in ("fusion", "call") else []
    return sum(_axes(inner) for c in called for inner in computations[c].values())


def _reversed_after(name: str, computation: Computation, computations: dict[str, Computation]) -> int:
    """How many axes of a result are reversed, if it is only moved afterwards: XLA writes some dW mirrored."""
    users = [(label, user) for label, user in computation.items() if name in user.operands]
    if len(users) != 1:
        return 0
    label, user = users[0]
    if user.opcode in (*_MOVES, "reverse"):
        return _axes(user) + _reversed_after(label, computation, computations)
    if user.opcode not in ("fusion", "call"):
        return 0
    inner = [i for called in _CALLED.findall(user.attributes) for i in computations[called].values()]
    if any(i.opcode not in (*_MOVES, "reverse", "parameter") for i in inner):
        return 0
    return sum(map(_axes, inner)) + _reversed_after(label, computation, computations)
