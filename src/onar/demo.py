"""The demo: fill holes with the bundled weights, then train for a few minutes and fill the same holes again."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from onar.errors import OnarError
from onar.imaging.images import read_photo
from onar.imaging.listing import find_photos
from onar.imaging.sheets import picture_grid
from onar.imaging.writing import write_image
from onar.inference.inpainter import Inpainter
from onar.masks.generation import random_mask
from onar.masks.holes import known_from_mask
from onar.metrics.held_out import Completer, HeldOut, Scores, complete_by, sample_rows, score_baselines, score_completer
from onar.metrics.learned_distances import st_lpips
from onar.settings.training import TrainConfig
from onar.system.console import progress_bar, say, text_table
from onar.system.files import write_text
from onar.training.gan.verb import train
from onar.training.results_folder import Results
from onar.weights.bundled import bundled_photos, bundled_weights

HELD_OUT_EVERY = 4  # every fourth photo in alphabetical order is held out
MASKS_PER_PHOTO = 2  # each costs three to four times as much to score with ST-LPIPS as to fill
MARK = ".onar_demo"  # marks a folder of the demo, which may be replaced
SETTINGS: dict[str, Any] = {
    "img_size": 128,
    "batch_size": 16,
    "num_workers": 1,
    "photos_per_epoch": 960,
    "epochs": 4,
    "max_minutes": 3.0,
    "base_channels": 32,
    "depth": 6,
    "base_fill": "pyramid",
    "content_network": "efficientnet_lite0",
    "learning_rate_g": 2e-4,
    "adam_beta2": 0.99,
    "lr_schedule": "cosine",
    "warmup_steps": 20,
    "ema_decay": 0.99,
    "mixed_precision": "auto",
    "hole_ratio": (0.01, 0.4),
    "hole_weight": 6.0,
    "lambda_content": 0.1,
    "discriminator_channels": 32,
}


def demo(output: Path, settings: dict[str, Any] = SETTINGS) -> None:
    """Run the demo into a folder; an earlier demo there is replaced. `settings` are fields of `TrainConfig`.

    Raises:
        OnarError: the folder is not that of an earlier demo, or cannot be written.
    """
    training, held_out = _lay_out_photos(output)
    config = TrainConfig(data=training, val_data=held_out, results_dir=output / "inpainting_results", **settings)
    say("Filling holes in photos at their own size with the bundled weights")
    distances = {"st_lpips": st_lpips()}
    holes = [photo_with_holes(path, np.random.default_rng(number)) for number, path in enumerate(find_photos(held_out))]
    baselines = _mean([score_baselines(photo, MASKS_PER_PHOTO, distances) for photo in watched("Baselines", holes)])

    def complete(weights: Path, sheet: Path) -> None:
        """Print the scores of weights beside those of the baselines, and write a sheet of pictures."""
        fill = complete_by(Inpainter.load(weights))
        scores, rows = [], []
        for photo in watched("Onar", holes):
            completer = _filled_once(fill, photo)
            scores.append({"Onar": score_completer(completer, photo, MASKS_PER_PHOTO, distances)})
            rows += sample_rows(completer, photo, 1)
        ours = _mean(scores)
        write_image(sheet, picture_grid(rows))
        say(_table(baselines | ours))
        say("PSNR, SSIM and L1 reward smooth fills. ST-LPIPS (lower is better) is the distance that a network")
        say(f"trained on human judgement computes; compare masked, completed and original: {sheet}")

    complete(bundled_weights(), output / "completed_bundled.png")
    limit = f"for at most {config.max_minutes:g} minutes" if config.max_minutes else "without a time limit"
    say(f"\nTraining a network of your own on other photos, {limit}")
    weights = train(config)
    say(_progress(config))
    say("\nFilling the same holes with it")
    complete(weights, output / "completed.png")
    say(f"Sample sheets and loss curves of the training: {config.results_dir}")


def watched(name: str, photos: list[HeldOut]) -> Iterable[HeldOut]:
    """The photos with a progress bar, named for what fills them."""
    bar: Iterable[HeldOut] = progress_bar(photos, desc=f"{name} fills and scores", unit="photo")
    return bar


def _progress(config: TrainConfig) -> str:
    """The steps and epochs of the training that were done."""
    records = Results(config.results_dir).records()
    first, last = records[0], records[-1]
    steps, epochs = f"{last['step']} of {first['steps']}", f"{last['epochs_done']:.1f} of {config.epochs}"
    return f"Trained for {steps} steps, {epochs} epochs"


def _lay_out_photos(output: Path) -> tuple[Path, Path]:
    """Copy the bundled photos into a folder to train on and one to test on."""
    if output.exists() and not (output / MARK).exists():
        raise OnarError(f"{output} exists and is no earlier demo: name another folder, or move it away")
    shutil.rmtree(output, ignore_errors=True)
    write_text(output / MARK, "")
    folders = output / "photos_training", output / "photos_held_out"
    for folder in folders:
        folder.mkdir()
    for number, photo in enumerate(sorted(bundled_photos().glob("*.jpg"))):
        (folders[number % HELD_OUT_EVERY == 0] / photo.name).write_bytes(photo.read_bytes())
    return folders


def photo_with_holes(path: Path, rng: np.random.Generator) -> HeldOut:
    """A test photo with several masks."""
    photo = torch.from_numpy(np.array(read_photo(path))).permute(2, 0, 1)
    masks = [random_mask(*photo.shape[1:], rng=rng, hole_ratio=(0.05, 0.4)) for _ in range(MASKS_PER_PHOTO)]
    known = torch.from_numpy(np.stack([known_from_mask(mask) for mask in masks]))
    return HeldOut(photo.expand(MASKS_PER_PHOTO, -1, -1, -1), known.byte())


def _filled_once(fill: Completer, photo: HeldOut) -> Completer:
    """A completer that fills all holes of one photo once, and returns the fills of the first ones."""
    ((pixels, known),) = photo.batches(MASKS_PER_PHOTO)
    completed = fill(pixels * known, known)
    return lambda pixels, _known: completed[: len(pixels)]


def _mean(photos: list[dict[str, Scores]]) -> dict[str, Scores]:
    """Means over photos, by method and score."""
    return {
        method: {name: sum(photo[method][name] for photo in photos) / len(photos) for name in scores}
        for method, scores in photos[0].items()
    }


def _table(scores: dict[str, Scores]) -> str:
    columns = {"psnr": ".2f", "psnr_hole": ".2f", "ssim": ".4f", "l1_hole": ".4f", "st_lpips": ".4f"}
    rows = [
        [method, *(format(row[name], digits) for name, digits in columns.items())]
        for method, row in sorted(scores.items(), key=lambda item: item[1]["psnr"])
    ]
    return text_table(["", "PSNR (dB)", "in holes", "SSIM", "L1 in holes", "ST-LPIPS"], rows)
