"""How much memory a recorded forward pass keeps for its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor


def residual_bytes(result: Any, given: Iterable[Tensor]) -> int:
    """Bytes of the storages that the autograd graph of a loss, or of outputs, holds, without those of `given`.

    A storage counts once and whole, however many nodes and views hold it: that is what stays allocated.
    """
    outputs = result if isinstance(result, tuple) else (result,)
    return storage_bytes(_saved({y.grad_fn for y in outputs}), given)


def bytes_kept_by(forward: Callable[[], Any], given: Iterable[Tensor]) -> int:
    """Bytes kept by a forward pass with checkpoints, whose saved tensors recompute if looked at."""
    saved: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        kept = forward()
    size = storage_bytes(saved, given)
    del kept
    return size


def storage_bytes(tensors: Iterable[Tensor], given: Iterable[Tensor]) -> int:
    """Bytes of the storages of `tensors`, each once, without those of `given`."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    for tensor in given:
        storages.pop(tensor.untyped_storage().data_ptr(), None)
    return sum(storages.values())


def _saved(roots: Iterable[Any]) -> Iterator[Tensor]:
    """Every tensor saved by a node of the autograd graph: `_saved_*` of built-in nodes, `saved_tensors` of others."""
    seen, pending = set(roots), list(roots)
    while pending:
        node = pending.pop()
        names = ["saved_tensors"] if hasattr(node, "saved_tensors") else dir(node)
        for name in names:
            if name.startswith("_saved_") or name == "saved_tensors":
                value = getattr(node, name)
                yield from (t for t in (value if isinstance(value, tuple) else (value,)) if isinstance(t, Tensor))
        following = {n for n, _ in node.next_functions if n is not None} - seen
        seen |= following
        pending.extend(following)
