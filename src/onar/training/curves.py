"""Pictures of a run: sample sheets, loss curves and validation curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onar.files import replacing
from onar.imaging.images import write_image
from onar.imaging.sheets import Picture, picture_grid
from onar.training.results_folder import LOSSES, VALIDATION_SCORES


def save_sample_sheet(path: Path, rows: Sequence[Sequence[Picture]]) -> None:
    """Write rows of masked, completed and original as one picture."""
    write_image(path, picture_grid(rows))


def save_loss_curves(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Draw one curve for each loss: faint at the logged steps, strong at the epochs' averages."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    for axes, name in zip(figure.subplots(2, 3).flat, (*LOSSES, None), strict=True):
        if name is None:
            axes.set_visible(False)
            continue
        _draw(axes, [record for record in records if record["kind"] == "step"], name, alpha=0.35, linewidth=0.8)
        _draw(axes, [record for record in records if record["kind"] == "epoch"], name, marker="o", markersize=3)
        axes.set_title(name)
    _save(figure, path)


def save_validation_curves(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Draw the validation scores of each epoch, beside those of the fills that learn nothing."""
    epochs = [record for record in records if record["kind"] == "epoch" and "validation" in record]
    figure = Figure(figsize=(12, 7), layout="constrained")
    panels = list(figure.subplots(2, 3).flat)
    for axes, (name, title) in zip(panels, VALIDATION_SCORES.items(), strict=False):
        for method in epochs[0]["validation"]:
            points = [(record["epoch"], record["validation"][method][name]) for record in epochs]
            style = {"marker": "o", "markersize": 3} if method == "onar" else {"linestyle": "--", "linewidth": 1}
            axes.plot(*zip(*points, strict=True), label=method, **style)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    panels[0].legend()
    panels[-1].set_visible(False)
    _save(figure, path)


def _draw(axes: Axes, records: Sequence[dict[str, Any]], name: str, **style: Any) -> None:
    points = [(record["epochs_done"], record[name]) for record in records if name in record]
    if points:
        axes.plot(*zip(*points, strict=True), color="tab:blue", **style)
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.3)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)
