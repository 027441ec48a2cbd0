"""Profile of one training step at full size: its parts, the share outside convolutions, and the wait for photos."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torchvision.models import vgg16

from benchmarks.networks import PHOTOS
from benchmarks.table import Table, milliseconds
from benchmarks.timing import REPEATS, interleave
from onar import TrainConfig
from onar.masks.holes import composite
from onar.metrics.feature_networks import FEATURES
from onar.training.fit import prepare
from onar.training.gan.launch import start_processes
from onar.training.gan.step import GAN, Batch
from onar.training.gan.task import GeneratorTask
from onar.training.losses import Comparison, content_loss, relativistic_generator_loss
from onar.training.results_folder import Results

CONVOLUTIONS = ("aten::convolution", "aten::convolution_backward")
NOTE = (
    "512 pixels, base 64, depth 8, one photo, fp32, with either content network, other settings at their defaults. "
    "Each part was timed separately, forward and backward, in turns with the whole step, so they need not add up. "
    "Convolutions are those of all networks, from the profile of a step; in EfficientNet-Lite0 most are depthwise and "
    "take less time than the operations between them. Waiting is the time that `onar train` would wait for photos. "
    "VGG16 has random weights, which cost the same."
)


def measure() -> list[Table]:
    """Parts of a step × content networks."""
    columns = [_measure_with(content_network) for content_network in FEATURES]
    header = ["part", *(text for network in FEATURES for text in (f"{network}, ms", "share"))]
    rows = [[part, *(cell for column in columns for cell in column[part])] for part in columns[0]]
    return [Table("A training step", NOTE, header, rows)]


def _measure_with(content_network: str) -> dict[str, tuple[str, str]]:
    """By part: milliseconds and share of a step."""
    with prepared_task(content_network) as task:
        batches = task.batches()
        ((batch,), _) = next(batches)
        parts = interleave(step_parts(task.gan, batch))
        outside = share_outside_convolutions(lambda: task.gan.step([batch]))
        waiting = share_waiting(task, batches)
    whole = parts["whole step"].median
    cells = {name: (milliseconds(times.median), f"{times.median / whole:.0%}") for name, times in parts.items()}
    return cells | {"outside convolutions": ("", f"{outside:.1%}"), "waiting for photos": ("", f"{waiting:.1%}")}


@contextmanager
def prepared_task(content_network: str) -> Iterator[GeneratorTask]:
    """A training on the bundled photos just before its first step."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        config = TrainConfig(
            data=PHOTOS,
            val_share=0,
            batch_size=1,
            num_workers=1,
            photos_per_epoch=2 * REPEATS,
            content_network=content_network,  # type: ignore[arg-type]
            content_weights=_untrained_vgg16(folder) if content_network == "vgg16" else None,
            results_dir=folder / "results",
        )
        with closing(Results(config.results_dir)) as results:
            task = GeneratorTask(config, start_processes(config).device)
            prepare(task, config, results)
            yield task


def _untrained_vgg16(folder: Path) -> Path:
    """A weights file without a download."""
    path = folder / "vgg16.pth"
    torch.save(nn.ModuleDict({"features": vgg16(init_weights=False).features}).state_dict(), path)
    return path


def step_parts(gan: GAN, batch: Batch) -> dict[str, Callable[[], object]]:
    """The whole step, and its parts, which together make up `GAN.step`."""
    photo = batch[0].permute(0, 3, 1, 2).float() / 255
    known = batch[1].float()
    completed = gan.generator(photo * known, known).detach().requires_grad_()

    def generator() -> None:
        gan.accelerator.backward(gan.generator(photo * known, known).mean())

    def discriminator() -> None:
        whole = composite(photo, completed, known)
        loss, real = gan.discriminator_step(photo, whole)
        gan.accelerator.backward(loss)
        gan.discriminator.requires_grad_(False)
        gan.accelerator.backward(relativistic_generator_loss(real, gan.discriminator(whole)))
        gan.discriminator.requires_grad_(True)

    def content_network() -> None:
        whole = composite(photo, completed, known)
        compared = Comparison(completed, whole, photo, known, gan.features)
        gan.accelerator.backward(compared.of_features(content_loss))

    def optimisers() -> None:
        gan.optimizer_g.step()
        gan.optimizer_d.step()

    return {
        "whole step": lambda: gan.step([batch]),
        "generator": generator,
        "discriminator": discriminator,
        "content network": content_network,
        "optimisers": optimisers,
    }


def share_outside_convolutions(step: Callable[[], object]) -> float:
    """The share of a step's CPU time outside convolutions and their gradients."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step()
    events = profiled.key_averages()
    inside = sum(event.cpu_time_total for event in events if event.key in CONVOLUTIONS)
    return float(1 - inside / sum(event.self_cpu_time_total for event in events))


def share_waiting(task: GeneratorTask, batches: Iterator[tuple[list[Batch], int]]) -> float:
    """The share of time that the training loop waits for the next batch."""
    waiting, started = 0.0, time.perf_counter()
    for _ in range(REPEATS):
        asked = time.perf_counter()
        group, _ = next(batches)
        waiting += time.perf_counter() - asked
        task.gan.step(group)
    return waiting / (time.perf_counter() - started)
