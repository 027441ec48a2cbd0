"""Batch norm that several processes share and that a batch of one value passes through."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from onar.system.processes import process_count, sum_over_processes


class BatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes that train together.

    A batch with one value per channel is normalised by the running statistics: it has no variance, and torch refuses
    it. That happens when the innermost level is one pixel and the last batch of an epoch one photo.

    >>> BatchNorm(8)(torch.rand(1, 8, 1, 1)).shape
    torch.Size([1, 8, 1, 1])
    """

    def forward(self, input: Tensor) -> Tensor:
        """B×C×H×W in, the same out."""
        # scripted networks are for evaluation.
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        else:
            return self._normalise(input)

    @torch.jit.unused
    def _normalise(self, input: Tensor) -> Tensor:
        if self.training and process_count() > 1:
            return self._normalise_together(input)
        if self.training and input.numel() == input.shape[1]:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(input)

    @torch.jit.unused
    def _normalise_together(self, input: Tensor) -> Tensor:
        """`nn.SyncBatchNorm` in float32 and on any device; torch's own needs GPUs."""
        x = input.float()
        sums = sum_over_processes(torch.cat([x.sum((0, 2, 3)), x.new_full((1,), x[:, 0].numel())]))
        mean, count = sums[:-1] / sums[-1], sums[-1]
        centred = x - mean[:, None, None]
        variance = sum_over_processes(centred.square().sum((0, 2, 3))) / count
        self._update(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics by a batch's mean and unbiased variance."""
        running_mean, running_variance, batches = self.buffers()
        assert self.momentum is not None
        running_mean.lerp_(mean, self.momentum)
        running_variance.lerp_(variance, self.momentum)
        batches += 1
