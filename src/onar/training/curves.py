"""Curves of losses and validation scores, drawn from the log: every one that was logged has a panel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onar.metrics.table import curve_names, title_of
from onar.system.files import replacing
from onar.training.curve_names import loss_names
from onar.training.results_folder import Record


def save_loss_curves(path: Path, records: Sequence[Record]) -> None:
    """Draw a panel for each loss in the log: faint at the logged steps, strong at the epochs' averages."""
    steps, epochs = ([record for record in records if record["kind"] == kind] for kind in ("step", "epoch"))
    names = loss_names({name for record in (*steps, *epochs) for name in record})
    figure, panels = _panels(names)
    for name, axes in panels.items():
        _draw(axes, steps, name, alpha=0.35, linewidth=0.8)
        _draw(axes, epochs, name, marker="o", markersize=3)
    _save(figure, path)


def save_validation_curves(path: Path, records: Sequence[Record]) -> None:
    """Draw a panel for each validation score in the log, with a curve for each method; nothing without validation."""
    epochs = [record for record in records if record["kind"] == "epoch" and record.get("validation")]
    names = curve_names(name for record in epochs for scores in record["validation"].values() for name in scores)
    if not names:
        return
    figure, panels = _panels(names)
    for name, axes in panels.items():
        axes.set_title(title_of(name), y=1)
        for method in dict.fromkeys(method for record in epochs for method in record["validation"]):
            ours = {"marker": "o", "markersize": 3} if method == "onar" else {"linestyle": "--", "linewidth": 1}
            scores = [{**record, **record["validation"].get(method, {})} for record in epochs]
            _draw(axes, scores, name, at="epoch", label=method, color=None, **ours)
    panels[names[0]].legend()
    _save(figure, path)


def _panels(names: Sequence[str]) -> tuple[Figure, dict[str, Axes]]:
    """Rows of three panels. All places are fixed: to fit a layout or titles to the labels takes as long as to draw."""
    rows = max(1, -(-len(names) // 3))
    figure = Figure(figsize=(12, 3.5 * rows))
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.14 / rows, top=1 - 0.1 / rows, wspace=0.26, hspace=0.3)
    panels = {name: figure.add_subplot(rows, 3, number) for number, name in enumerate(names, 1)}
    for name, axes in panels.items():
        axes.set_title(name, y=1)
        axes.set_xlabel("epoch")
        axes.locator_params(nbins=5)  # each tick is five objects
        axes.grid(alpha=0.3)
    return figure, panels


def _draw(axes: Axes, records: Sequence[Record], name: str, at: str = "epochs_done", **style: Any) -> None:
    """Draw a number of those records that have it."""
    points = [(record[at], record[name]) for record in records if name in record]
    if points:
        axes.plot(*zip(*points, strict=True), **{"color": "tab:blue", **style})


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)
