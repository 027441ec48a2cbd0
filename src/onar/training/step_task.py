"""Base of the tasks that are counted in steps, with small networks in one process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from onar.checkpoint import save_safetensors
from onar.errors import OnarError, UsageError
from onar.system.devices import choose_device
from onar.system.files import check_writable, replacing
from onar.training.learning import (
    MovingAverage,
    NotFiniteError,
    RateFactor,
    advance,
    join_states,
    learning_rate_factor,
    load_states,
    set_rate,
)
from onar.training.run import Run, TrainingTask
from onar.training.step_config import StepConfig
from onar.weights.metadata import FORMAT

WARMUP_STEPS = 50


class Learner:
    """A network with its optimiser, its learning rate schedule and the average of its weights.

    Args:
        network: what learns.
        optimizer: of its weights.
        factor: on the learning rate.
        ema_decay: of the average; None keeps none.
    """

    def __init__(
        self, network: nn.Module, optimizer: Optimizer, factor: RateFactor, ema_decay: float | None = None
    ) -> None:
        self.network, self.optimizer = network, optimizer
        self.is_whole = True
        self.schedule = LambdaLR(optimizer, factor)
        self.average = None if ema_decay is None else MovingAverage(network, ema_decay)

    def move(self) -> None:
        """Take an optimiser step."""
        self.is_whole = False
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.is_whole = True

    @property
    def kept(self) -> nn.Module:
        """The average, whose weights are kept."""
        assert self.average is not None
        return self.average.module

    def parts(self) -> dict[str, Any]:
        """Everything with a state."""
        parts = {name: getattr(self, name) for name in ("optimizer", "schedule", "network", "average")}
        return {name: part for name, part in parts.items() if part is not None}


class StepNetworks(ABC):
    """Networks with everything that trains them; `learners` are those that move, by names that stay the same."""

    learners: Mapping[str, Learner]

    def step(self, batch: Any) -> dict[str, float]:
        """Take a step; where a loss is not finite, the learning rates follow the steps all the same.

        Raises:
            NotFiniteError: a loss or gradient is not finite; no weight has changed.
        """
        try:
            losses = self.learn(batch)
        except NotFiniteError:
            self._end_step()
            raise
        finally:
            for learner in self.learners.values():
                learner.optimizer.zero_grad()
        self._end_step()
        return losses

    @abstractmethod
    def learn(self, batch: Any) -> dict[str, float]:
        """Compute the gradients, require that they are finite, and move; returns what `TrainingTask.step` does."""

    def _end_step(self) -> None:
        for learner in self.learners.values():
            advance(learner.optimizer, learner.schedule)


def warmup_and_cosine(total_steps: int) -> RateFactor:
    """The learning rate schedule of all trainings that are counted in steps."""
    return learning_rate_factor("cosine", WARMUP_STEPS, total_steps)


class StepTask(TrainingTask):
    """A training whose batches depend on the seed and the number of the step alone.

    An epoch is `epoch_steps` steps.

    Args:
        config: the settings.
    """

    nan_advice = "a lower `learning_rate` or `mixed_precision` no"
    networks: StepNetworks
    run: Run

    def __init__(self, config: StepConfig) -> None:
        check_writable(config.output)
        if config.output.exists() and not config.overwrite:
            raise OnarError(f"{config.output} is there already: name another `output`, or replace it with `overwrite`")
        earlier = config.output.with_suffix(".checkpoint.pt")
        if earlier.exists():
            raise UsageError(f"{earlier} is of an earlier version: go on with that, or remove the file to start again")
        self.device = choose_device(config.device)
        self.step_config, self.max_steps = config, config.steps
        self.images_per_epoch = config.epoch_steps * config.batch_size
        settings = ", ".join(f"`{name}` {getattr(config, name)}" for name in config.take_memory)
        self.memory_advice = f"{settings}: {'lower one of them' if len(config.take_memory) > 1 else 'lower it'}"

    def open_data(self, run: Run, state: dict[str, Any] | None) -> None:
        """Count the epochs; the time limit is for the steps alone."""
        config, progress = self.step_config, run.progress
        self.run = run
        begun = progress.step - progress.images // config.batch_size
        self.epochs = progress.epoch + -(-(config.steps - begun) // config.epoch_steps)
        self.read_photos()
        run.budget.begin(progress.spent if state else None)

    @abstractmethod
    def read_photos(self) -> None:
        """Read or make what is trained on, and what is validated on."""

    def steps_left(self, images: int) -> int:
        """Each step takes `batch_size` images."""
        return max(0, self.step_config.epoch_steps - images // self.step_config.batch_size)

    def build(self, total_steps: int) -> None:
        """Build the networks."""
        bf16 = self.run.progress.mixed_precision == "bf16"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.step_config.seed)
            self.networks = self.build_networks(warmup_and_cosine(total_steps), bf16=bf16)

    @abstractmethod
    def build_networks(self, factor: RateFactor, *, bf16: bool) -> StepNetworks:
        """Build the networks, whose first weights depend on torch's seed, with a factor on their learning rates."""

    @property
    def state_bytes(self) -> int:
        """Weights, their average and Adam's two."""
        networks = [learner.network for learner in self.networks.learners.values()]
        return 4 * sum(int(value.nbytes) for network in networks for value in network.state_dict().values())

    def _parts(self) -> dict[str, Any]:
        learners = self.networks.learners.items()
        return {f"{name}_{part}": value for name, learner in learners for part, value in learner.parts().items()}

    def state_dict(self) -> dict[str, Any]:
        """Those of all learners."""
        return join_states(self._parts())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the learning rates of now."""
        load_states(self._parts(), state)
        for learner, rate in zip(self.networks.learners.values(), self.base_rates().values(), strict=True):
            set_rate(learner.optimizer, learner.schedule, rate)

    def base_rates(self) -> dict[str, float]:
        """The learning rates of the learners by the names of their settings."""
        return {"learning_rate": self.step_config.learning_rate}

    def batches(self) -> Iterator[tuple[Any, int]]:
        """The batches of the rest of the epoch, each drawn when it is asked for."""
        progress = self.run.progress
        for step in range(progress.step, progress.step + self.steps_left(progress.images)):
            yield self.draw_for(step), self.step_config.batch_size

    def draw_for(self, step: int) -> Any:
        """The batch of a step, which is always the same."""
        return self.draw_batch(np.random.default_rng((self.step_config.seed, step)))

    @abstractmethod
    def draw_batch(self, rng: np.random.Generator) -> Any:
        """A batch for `StepNetworks.step`."""

    def step(self, batch: Any) -> dict[str, float]:
        """That of the networks."""
        return self.networks.step(batch)

    @property
    def is_whole(self) -> bool:  # type: ignore[override]
        """Whether no update of the weights was broken off."""
        return all(learner.is_whole for learner in self.networks.learners.values())

    def plan(self, total_steps: int) -> None:
        """Let all schedules end there."""
        for learner in self.networks.learners.values():
            learner.schedule.lr_lambdas = [warmup_and_cosine(total_steps)]

    def rates(self) -> dict[str, float]:
        """Those of the learners."""
        rates = (float(learner.schedule.get_last_lr()[0]) for learner in self.networks.learners.values())
        return dict(zip(self.base_rates(), rates, strict=True))

    def recipe(self) -> dict[str, Any]:
        """The settings that gave the weights, as TOML values."""
        progress = self.run.progress
        return self.step_config.recipe() | {"steps": progress.step, "mixed_precision": progress.mixed_precision}

    def save_weights(self) -> str:
        """Write the weights to `--output`."""
        network, metadata, said = self.finish()
        with replacing(self.step_config.output) as temporary:
            self.write(temporary, network, {"format": str(FORMAT), **metadata})
        self.run.results.finish_elsewhere(self.step_config.output)
        return said

    def write(self, path: Path, network: nn.Module, metadata: dict[str, str]) -> None:
        """Write a network in half precision, as safetensors if nothing else is said."""
        save_safetensors(path, network, metadata, torch.float16)

    @abstractmethod
    def finish(self) -> tuple[nn.Module, dict[str, str], str]:
        """The network to write, the metadata of its file, and the last line of the training."""
