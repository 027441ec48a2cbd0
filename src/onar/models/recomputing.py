"""Gradient checkpointing of a network's levels (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost")."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def run_and_recompute(level: nn.Module, *inputs: Tensor) -> Any:
    """Run a level that keeps its inputs alone and is computed again for the gradients."""
    return checkpoint(level, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _buffers_restored(level)))


@contextmanager
def _buffers_restored(level: nn.Module) -> Iterator[None]:
    """Compute a level a second time without updating its running statistics a second time."""
    before = [(buffer, buffer.clone()) for buffer in level.buffers()]
    try:
        yield
    finally:
        for buffer, value in before:
            buffer.copy_(value)
