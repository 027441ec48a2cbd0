"""Pictures of a run: sample sheets, loss curves and validation curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onar.imaging.sheets import Picture, picture_grid
from onar.imaging.writing import write_image
from onar.system.files import replacing
from onar.training.results_folder import LOSSES, VALIDATION_SCORES, loss_names


def save_sample_sheet(path: Path, rows: Sequence[Sequence[Picture]]) -> None:
    """Write rows of masked, completed and original as one picture."""
    write_image(path, picture_grid(rows))


def save_loss_curves(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Draw one curve for each loss in the log: faint at the logged steps, strong at the epochs' averages."""
    logged = {name for record in records if record["kind"] in ("step", "epoch") for name in record}
    names = loss_names(logged | set(LOSSES))
    figure, panels = _panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        _draw(axes, [record for record in records if record["kind"] == "step"], name, alpha=0.35, linewidth=0.8)
        _draw(axes, [record for record in records if record["kind"] == "epoch"], name, marker="o", markersize=3)
        axes.set_title(name)
    _save(figure, path)


def save_validation_curves(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Draw the validation scores of each epoch, beside those of the fills that learn nothing."""
    epochs = [record for record in records if record["kind"] == "epoch" and "validation" in record]
    figure, panels = _panels(len(VALIDATION_SCORES))
    for axes, (name, title) in zip(panels, VALIDATION_SCORES.items(), strict=True):
        for method in epochs[0]["validation"]:
            scores = [(record["epoch"], record["validation"].get(method, {})) for record in epochs]
            points = [(epoch, found[name]) for epoch, found in scores if name in found]
            style: dict[str, Any] = (
                {"marker": "o", "markersize": 3} if method == "onar" else {"linestyle": "--", "linewidth": 1}
            )
            if points:
                axes.plot(*zip(*points, strict=True), label=method, **style)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    panels[0].legend()
    _save(figure, path)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Rows of three. Their places are fixed: to fit a layout to the labels takes as long as to draw."""
    rows = -(-count // 3)
    figure = Figure(figsize=(12, 3.5 * rows))
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.14 / rows, top=1 - 0.1 / rows, wspace=0.26, hspace=0.3)
    panels = list(figure.subplots(rows, 3, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]


def _draw(axes: Axes, records: Sequence[dict[str, Any]], name: str, **style: Any) -> None:
    points = [(record["epochs_done"], record[name]) for record in records if name in record]
    if points:
        axes.plot(*zip(*points, strict=True), color="tab:blue", **style)
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.3)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)
