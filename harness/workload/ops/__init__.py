"""The op catalogue: every operation that a model may use, each defined once, in the file of its family.

To add one, write its class, add it to the list here, and write a function of its name in each adapter.
"""

from ..spec import Spec, WorkloadError
from . import (
    arrange,
    attention,
    conv,
    elementwise,
    embedding,
    interaction,
    linear,
    loss,
    norm,
    pool,
    recurrent,
    rotary,
    tokens,
)
from .base import Array, Cost, Op, Product, Work
from .example import Example, Sizes

_OPS: tuple[type[Op], ...] = (
    linear.linear,
    linear.tied_linear,
    conv.conv2d,
    conv.conv_transpose2d,
    norm.layer_norm,
    norm.batch_norm,
    norm.rms_norm,
    norm.batch_norm_inference,
    norm.group_norm,
    attention.attention,
    elementwise.relu,
    elementwise.relu6,
    elementwise.leaky_relu,
    elementwise.hard_swish,
    elementwise.gelu,
    elementwise.sigmoid,
    elementwise.tanh,
    elementwise.silu,
    elementwise.add,
    elementwise.multiply,
    elementwise.dropout,
    pool.max_pool,
    pool.global_avg_pool,
    pool.avg_pool,
    pool.upsample,
    embedding.embedding,
    arrange.split,
    arrange.concatenate,
    arrange.flatten,
    loss.cross_entropy,
    loss.mse,
    tokens.image_tokens,
    tokens.transpose_tokens,
    tokens.mean_tokens,
    tokens.class_token,
    tokens.first_token,
    tokens.unstack_tokens,
    tokens.stack_tokens,
    rotary.rotary,
    recurrent.lstm_cell,
    recurrent.lstm,
    recurrent.gru_cell,
    recurrent.gru,
    interaction.dot_interaction,
)

CATALOGUE: dict[str, Op] = {op.__name__: op() for op in _OPS}

__all__ = [
    "CATALOGUE",
    "Array",
    "Cost",
    "Example",
    "Op",
    "Product",
    "Sizes",
    "Spec",
    "Work",
    "WorkloadError",
]
