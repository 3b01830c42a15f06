"""What an exception of torch's amounts to, where it says what torch lacks or what a user's own code does not allow."""

from __future__ import annotations

import sys

from ..base import Unsupported

# What an exception of torch's says where it lacks a kernel, and what that means.
_REFUSALS = {
    "No available kernel": "the chosen attention kernel does not take these arrays on this device; choose native",
    "not have a deterministic implementation": "an op of this model has no deterministic kernel on this device",
    "skipping cudagraphs": "this program cannot be recorded as a CUDA graph; choose mode=native",
}


def refusal(error: Exception) -> Unsupported | None:
    """Compiled, what torch says comes inside of a compiler's exception."""
    dynamo = sys.modules.get("torch._dynamo.exc")  # what eager never loads
    if dynamo and isinstance(error, dynamo.FailOnRecompileLimitHit):
        return Unsupported(
            "torch: torch.compile would compile the loss again in a second call, for something that it depends on has "
            "changed (a counter, a Python number, a shape)"
        )
    for says, why in _REFUSALS.items():
        if says in str(error):
            return Unsupported(f"torch: {why}")
    if dynamo and isinstance(error, (dynamo.Unsupported, dynamo.UserError)):
        says = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        return Unsupported(f"torch: torch.compile cannot make one graph of the loss ({says[:200].rstrip('.')})")
    return None
