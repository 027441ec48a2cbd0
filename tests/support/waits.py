"""Where a GPU would wait: counted in the operations of torch, on any device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
READS = {
    aten._local_scalar_dense.default: "a number is read",
    aten.nonzero.default: "positions are read",
    aten.masked_select.default: "positions are read",
    aten.lift_fresh.default: "a tensor is made of Python's numbers",
}


class Waits(TorchDispatchMode):
    """Counts operations that would make the processor and a GPU wait for each other, by reason.

    Numbers that are read, tensors made of Python's numbers, and copies to another device; float64, which MPS lacks, is
    counted, too. Numbers on `host` are the processor's own: reading one of these costs nothing.
    """

    def __init__(self, host: Sequence[torch.Tensor] = ()) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.host = {id(tensor) for tensor in host}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        reason = READS.get(func, "")
        if func in (aten._to_copy.default, aten.copy_.default):
            source = args[1] if func is aten.copy_.default else args[0]
            reason = "a copy between devices" if source.device != result.device else ""
        if isinstance(result, torch.Tensor) and result.dtype == torch.float64:
            self.counts["a tensor is float64, which MPS lacks"] += 1
        if func is aten.index.Tensor and any(at is not None and at.dtype == torch.bool for at in args[1]):
            reason = "positions are read"
        if reason and not (args and id(args[0]) in self.host):
            self.counts[reason] += 1
        return result
