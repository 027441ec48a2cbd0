"""The training of a generator as a task of the engine: photos with holes, steps of a GAN, scores on held-out photos."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from typing import Any

import torch

from onar.checkpoint import kept_weights, save_weights
from onar.data.from_config import TrainingData, find_training_data, open_loader, split_as_before, start_batches
from onar.data.streams import StreamLoader
from onar.errors import FieldError, UsageError
from onar.imaging.sheets import Picture
from onar.metrics.feature_networks import load_features
from onar.metrics.held_out import (
    Completer,
    Scores,
    complete_with,
    load_held_out,
    sample_rows,
    score_baselines,
    score_completer,
)
from onar.settings.training import TrainConfig, loss_weights
from onar.system.processes import from_main, gather, is_main_process, process_count, process_index
from onar.training.gan.launch import start_accelerator
from onar.training.gan.networks import build_gan, finetune_start, learning_rate_factors
from onar.training.gan.step import Batch
from onar.training.losses import GENERATOR_LOSSES
from onar.training.reporting import log, say, seconds
from onar.training.results_folder import Results
from onar.training.run import Run, TrainingTask
from onar.weights.tensors import load_state, save_state

SAMPLE_ROWS = 6


class GeneratorTask(TrainingTask):
    """A generator and its discriminator, on the device that `start_processes` has found."""

    nan_advice = "lower learning rates, `max_grad_norm` 1 or `mixed_precision` no"

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.epochs, self.max_steps = config.epochs, config.max_steps
        self.patience, self.best_by = config.patience, config.best_by
        self.starts_trained = config.init_weights is not None
        uses_features = _uses_features(config)
        self._data: TrainingData = from_main(lambda: find_training_data(config))
        self._features = _load_features(config, device) if uses_features else None

    @property
    def memory_advice(self) -> str:  # type: ignore[override]
        """Three settings that take less memory."""
        config = self.config
        half, twice = max(1, config.batch_size // 2), 2 * config.accumulation_steps
        return (
            f"`batch_size` {config.batch_size}, `img_size` {config.img_size}: `batch_size` {half} "
            f"`accumulation_steps` {twice} halves what a step needs and sees as many photos; "
            "`gradient_checkpointing` keeps less between the passes, and steps take longer; `mixed_precision` auto "
            "halves what is kept where the processor multiplies bf16"
        )

    def open_data(self, run: Run, state: dict[str, Any] | None) -> None:
        """Split the photos as before, and read those that are held out."""
        self.run, config = run, self.config
        if state is not None and "photos" in state:  # those of earlier versions do not say
            self._split_as_before(state["photos"])
        self._record = self._data.record()
        self.validates = len(self._data.held_out) > 0
        if config.patience is not None and not self.validates:
            raise UsageError("`patience` needs photos for validation: `val_share` above 0, or `val_data`")
        self.epoch_batches = start_batches(config, self._data, process_index(), process_count())
        self.images_per_epoch = self.epoch_batches.photos_per_epoch
        height, width = config.height_width
        shown = self._data.held_out or self._data.first(SAMPLE_ROWS)
        masks = self._data.held_out_masks
        self._held_out = load_held_out(shown, height, width, masks, config.seed, config.channels)

    def _split_as_before(self, before: dict[str, Any]) -> None:
        self._data, changed = from_main(lambda: split_as_before(self._data, before))
        if changed:
            self.run.progress.upscaled = {}  # counted by indices that now mean other photos
            say(changed)

    def steps_left(self, images: int) -> int:
        """Groups of `accumulation_steps` batches."""
        return -(-self.epoch_batches.count(images) // self.config.accumulation_steps)

    def build(self, total_steps: int) -> None:
        """Build the GAN, and open the photos for the first batch."""
        precision, pin = self.run.progress.mixed_precision, self.device.type == "cuda"
        self.gan = build_gan(self.config, start_accelerator(self.config, precision), self._features, total_steps)
        stream = self.run.progress.stream
        self.loader = open_loader(self.config, self._data, self.epoch_batches, stream, pin_memory=pin)

    @property
    def state_bytes(self) -> int:
        """That of the GAN."""
        return self.gan.state_bytes

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the learning rates of now."""
        self.gan.load_state_dict(state)
        self.gan.set_rates(self.config.learning_rate_g, self.config.learning_rate_d)

    def on_start(self) -> None:
        """Name unreadable photos, and start what `--track` asks for; a run that goes on goes on there, too."""
        # what a stopped run had skipped after its last checkpoint is about to happen again.
        from_main(lambda: self.run.results.write_skipped(self.run.progress.skipped))
        for line in self._held_out.unreadable if self.validates else ():
            note_skipped(self.run, line)
        config, accelerator, progress = self.config, self.gan.accelerator, self.run.progress
        progress.tracking_id = from_main(lambda: progress.tracking_id or secrets.token_hex(8))
        if config.track == "tensorboard":  # the name of the folder
            # what a stopped run had written after its last checkpoint is about to happen again.
            accelerator.init_trackers("tensorboard", init_kwargs={"tensorboard": {"purge_step": progress.step + 1}})
        elif config.track == "wandb":
            run = {"name": config.results_dir.name, "dir": config.results_dir, "id": progress.tracking_id}
            accelerator.init_trackers(
                "onar", config=config.to_plain(), init_kwargs={"wandb": {**run, "resume": "allow"}}
            )

    @property
    def start_facts(self) -> dict[str, Any]:
        """Where it computes."""
        return {"device": self.device.type, "processes": process_count()}

    def batches(self) -> Iterator[tuple[list[Batch], int]]:
        """Batches in groups of `accumulation_steps`; the last group may be smaller."""
        progress = self.run.progress
        self.epoch_batches.start(progress.epoch, progress.images)
        samples = iter(self.loader)
        while group := list(islice(samples, self.config.accumulation_steps)):
            for sample in group:
                self._note_unusual_photos(sample)
            images = self.epoch_batches.photos_done(progress.images, len(group)) - progress.images
            yield [(sample["photo"], sample["known"]) for sample in group], images

    def _note_unusual_photos(self, sample: dict[str, Any]) -> None:
        """Name each unreadable photo once, and count the photos that had to be enlarged."""
        for lines in sample["unreadable"]:
            for line in lines.splitlines():
                note_skipped(self.run, line)
        self.run.progress.upscaled |= dict.fromkeys(sample["index"][sample["upscaled"]].tolist(), True)

    def step(self, batch: list[Batch]) -> dict[str, float]:
        """Take a step of the GAN, the first one of the second stage with the encoder's batch norm frozen."""
        config, done = self.config, self.run.progress.step
        is_second = config.finetune_share > 0 and done >= finetune_start(config, self.run.total_steps)
        if is_second and self.gan.freeze_encoder_norm():
            rate = config.finetune_learning_rate_g
            say(f"Second stage after step {done}: encoder batch norm frozen, learning rate {rate:g}")
        return self.gan.step(batch)

    @property
    def is_whole(self) -> bool:  # type: ignore[override]
        """Whether both networks are after the same step."""
        return self.gan.is_whole

    def plan(self, total_steps: int) -> None:
        """Let both schedules end there."""
        factors = learning_rate_factors(self.config, total_steps)
        for schedule, factor in zip(self.gan.schedules, factors, strict=True):
            schedule.lr_lambdas = [factor]

    def rates(self) -> dict[str, float]:
        """Those of both networks."""
        names = "learning_rate_g", "learning_rate_d"
        rates = (float(schedule.get_last_lr()[0]) for schedule in self.gan.schedules)
        return dict(zip(names, rates, strict=True))

    def track(self, numbers: dict[str, float], step: int) -> None:
        """Accelerate knows the trackers."""
        self.gan.accelerator.log(numbers, step=step)

    def before_report(self) -> None:
        """Share which photos the processes found unreadable or small."""
        progress = self.run.progress
        for skipped, upscaled in gather((progress.skipped, progress.upscaled)):
            for line in skipped:
                note_skipped(self.run, line)
            progress.upscaled |= upscaled
        if progress.epoch == 0 and progress.upscaled:
            say(f"{len(progress.upscaled)} photos are smaller than the crops and were enlarged")

    def evaluate(self) -> dict[str, Scores]:
        """Scores on held-out photos, beside those of the baselines."""
        if not self.validates:
            return {}
        ours = score_completer(self._complete, self._held_out, self.config.batch_size)
        return {"onar": ours, **self.baselines}

    @cached_property
    def baselines(self) -> dict[str, Scores]:
        """Scores of the baselines, computed at the first validation: the first step need not wait for it.

        The log keeps them for a run that goes on: they take minutes, and only photos, holes and this program decide.
        """
        of = {"photos": self._held_out.digest, "version": version("onar")}
        logged = from_main(lambda: _logged_baselines(self.run.results, of))
        with self.run.budget.repeated_work():
            scores = score_baselines(self._held_out, self.config.batch_size, scored=logged)
        if scores != logged:
            progress = self.run.progress
            place = {"epoch": progress.epoch + 1, "step": progress.step}
            log(self.run, {"kind": "baselines", **place, **of, "scores": scores})
        return scores

    def evaluation_seconds(self) -> float:
        """Estimated from one batch of each process; the baselines are scored once in a run, not once in an epoch."""
        if not self.validates:
            return 0.0
        _ = self.baselines
        batches = self._held_out.first(self.config.batch_size * process_count())
        share = len(self._held_out.photo) / len(batches.photo)
        return share * seconds(lambda: score_completer(self._complete, batches, self.config.batch_size))

    @property
    def _complete(self) -> Completer:
        return complete_with(self.gan.kept_generator)

    def sample_rows(self) -> Sequence[Sequence[Picture]]:
        """The first held-out photos, or without validation training photos."""
        return sample_rows(self._complete, self._held_out, SAMPLE_ROWS)

    def before_checkpoint(self) -> None:
        """Note how far each process is in its stream."""
        if isinstance(self.loader, StreamLoader):
            self.run.progress.stream = gather(self.loader.state())

    def data_record(self) -> dict[str, Any]:
        """Which photos are trained on and held out."""
        return self._record

    def state_dict(self) -> dict[str, Any]:
        """That of the GAN."""
        return self.gan.state_dict()

    def save_weights(self) -> str:
        """Write the weights; the generator's last ones come last, because they mark the run as finished."""
        results, gan = self.run.results, self.gan
        best = results.checkpoint(self.run.progress.best_step)
        if best.exists():
            save_state(results.best_generator, kept_weights(load_state(best, sealed=True)))
        save_weights(results.discriminator, gan.accelerator.unwrap_model(gan.discriminator))
        save_weights(results.generator, gan.kept_generator)
        return f"Weights, sample sheets and loss curves are in {results.folder}"


def _logged_baselines(results: Results, of: dict[str, str]) -> dict[str, Scores]:
    """Scores of the baselines in the log that were computed of the same; empty if there are none."""
    for record in reversed(results.records()):
        if record["kind"] == "baselines" and of.items() <= record.items():
            scores: dict[str, Scores] = record["scores"]
            return scores
    return {}


def _uses_features(config: TrainConfig) -> bool:
    """Whether a loss of features has a weight; raises `FieldError` for photos that their network does not take."""
    weights = loss_weights(config)
    using = [loss.name for loss in GENERATOR_LOSSES if loss.of_features and weights[loss.name]]
    if using and config.channels not in (1, 3):
        rule = f"{config.channels} needs `lambda_{using[0]}` 0: its network takes photos in colour"
        raise FieldError("channels", rule)
    return bool(using)


def _load_features(config: TrainConfig, device: torch.device) -> torch.nn.Module:
    features = load_features(config.content_network, config.content_weights)
    return features.to(device).to(memory_format=torch.channels_last)


def note_skipped(run: Run, line: str) -> None:
    """Name an unreadable photo, `file: reason`, the first time it is met."""
    skipped = run.progress.skipped
    if line in skipped:
        return
    skipped.append(line)
    if is_main_process():
        say(f"Skipped {line}")
        run.results.append_skipped(line)
