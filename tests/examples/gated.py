"""A gated network over the op catalogue: written once, it runs in every framework, and the oracle knows its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.workload import draw


@dataclass(frozen=True)
class Gated:
    """A classifier of `depth` layers x + (silu(x G) * x U) D, as in Llama's feed-forward blocks."""

    batch: int = 64
    depth: int = 2
    width: int = 128
    hidden: int = 256
    classes: int = 10

    def batch_arrays(self) -> dict[str, Any]:
        return {"x": draw.normal(self.batch, self.width), "labels": draw.integers(self.batch, high=self.classes)}

    def loss(self, ops: Any, param: Any, x: Any, labels: Any) -> Any:
        for i in range(1, self.depth + 1):
            with ops.block(f"layer{i}"):
                gate = ops.silu(ops.linear(x, param(f"gate{i}", draw.lecun(self.width, self.hidden))))
                up = ops.linear(x, param(f"up{i}", draw.lecun(self.width, self.hidden)))
                down = param(f"down{i}", draw.lecun(self.hidden, self.width))
                x = ops.add(x, ops.linear(ops.multiply(gate, up), down))
        head = ops.linear(x, param("head.w", draw.lecun(self.width, self.classes)))
        return ops.cross_entropy(head, labels)
