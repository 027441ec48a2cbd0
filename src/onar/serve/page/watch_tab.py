"""The tab that follows a training: losses, scores, sample sheets, speed and time left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import pandas as pd
from PIL import Image

from onar.errors import OnarError
from onar.imaging.images import read_photo
from onar.serve.page.runs import LoggedRun, count_sheets, find_runs, read_run, seconds_of_change, seconds_since_change
from onar.serve.page.texts import label, number, say
from onar.training.results_folder import LOSSES, VALIDATION_SCORES, Results

REFRESH_SECONDS = 2.0


class Seen(NamedTuple):
    """What an open page shows, so that it is drawn again only when there is something new.

    Attributes:
        runs: names of the runs to choose from.
        run: the one that is watched.
        changed: when its log was written, in seconds since 1970.
        sheets: how many sample sheets it has.
    """

    runs: tuple[str, ...]
    run: str
    changed: float
    sheets: int


class WatchTab:
    """Fills a tab of the current `gr.Blocks`, and keeps it up to date.

    Args:
        tab: the tab.
        roots: results folders, or folders of them; nothing else can be watched.
    """

    def __init__(self, tab: gr.Tab, roots: Sequence[Path]) -> None:
        self._roots = roots
        self.timer = gr.Timer(REFRESH_SECONDS, active=False)
        self.seen = gr.State(None)
        self.run = gr.Dropdown([], label=label("run"), filterable=False, elem_id="run")
        self.status = gr.Markdown(elem_id="training_status")
        with gr.Column(visible=False) as self.panel:
            with gr.Accordion(label("losses")):
                self.losses = _build_plots({name: name for name in LOSSES}, "loss")
            with gr.Accordion(label("scores")):
                self.scores = _build_plots(VALIDATION_SCORES, "score", color="method")
            self.epoch = gr.Slider(1, 2, value=1, step=1, label=label("epoch"), interactive=False, elem_id="epoch")
            self.sheet = gr.Image(label=label("samples"), format="jpeg", buttons=["fullscreen"], elem_id="samples")
        self._connect(tab)

    def _connect(self, tab: gr.Tab) -> None:
        inputs = [self.run, self.seen, self.epoch]
        outputs = [self.seen, self.run, self.status, self.panel, *self.losses, *self.scores, self.epoch, self.sheet]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        gr.on([tab.select, self.timer.tick, self.run.input], self.refresh, inputs, outputs, **quiet)
        self.epoch.input(self.show_sheet, [self.run, self.epoch], self.sheet, **quiet)

    def refresh(self, run: str | None, seen: Seen | None, epoch: int, request: gr.Request) -> list[Any]:
        """Look at the watched run, or without one at the newest, and show what is new."""
        runs = find_runs(self._roots)
        run = run if run in runs else next(iter(runs), None)
        if run is None:
            return [None, gr.skip(), say(request, "no_runs"), *self._unchanged]
        folder = runs[run]
        now = Seen(tuple(runs), run, seconds_of_change(folder), count_sheets(folder))
        choices = gr.skip() if seen and seen.runs == now.runs else gr.Dropdown(list(runs), value=run)
        try:
            logged = read_run(folder)
        except OnarError as error:
            return [now, choices, say(request, "failed", reason=error), *self._unchanged]
        status = describe(request, logged, seconds_since_change(folder))
        if now == seen:
            return [now, choices, status, *self._unchanged]
        return [now, choices, status, gr.Column(visible=True), *_curves(logged), *_sheets(seen, now, folder, epoch)]

    @property
    def _unchanged(self) -> list[Any]:
        return [gr.skip()] * (len(self.losses) + len(self.scores) + 3)

    def show_sheet(self, run: str, epoch: int) -> Any:
        """The sample sheet of an epoch."""
        folder = find_runs(self._roots).get(run)
        return None if folder is None else _read_sheet(folder, epoch)


def _build_plots(titles: dict[str, str], y: str, **options: Any) -> list[gr.LinePlot]:
    """A plot for each title; its axes need no names, because what they show stands above."""
    with gr.Row(elem_classes="plots"):
        return [
            gr.LinePlot(
                x="epoch",
                y=y,
                title=title,
                x_title=" ",
                y_title=" ",
                color_title=" ",
                height=190,
                buttons=[],
                **options,
            )
            for title in titles.values()
        ]


def describe(request: gr.Request, logged: LoggedRun, seconds_ago: float) -> str:
    """How far a run is, in one line."""
    if not logged.records:
        return say(request, "starting")
    last = logged.records[-1]
    parts = [
        say(request, "progress", epoch=last["epoch"], epochs=math.ceil(logged.epochs), step=last["step"]),
        say(request, "speed", speed=number(request, last["images_per_second"])),
    ]
    if logged.finished:
        parts.append(say(request, "finished"))
    else:
        parts.append(say(request, "time_left", time=_duration(request, logged.seconds_left)))
        parts.append(say(request, "last_logged", time=_duration(request, seconds_ago)))
    return " · ".join(parts)


def _duration(request: gr.Request, seconds: float) -> str:
    """A time in the largest unit of which there are at least two."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return say(request, unit, number=round(seconds / length))
    return say(request, "seconds", number=round(seconds))


def _curves(logged: LoggedRun) -> list[pd.DataFrame | None]:
    losses = [logged.loss_curve(name) for name in LOSSES]
    return [*losses, *(logged.score_curves(name) for name in VALIDATION_SCORES)]


def _sheets(seen: Seen | None, now: Seen, folder: Path, epoch: int) -> list[Any]:
    """The slider and the sheet: the newest one, unless an older one of the same run is being looked at.

    A run with fewer sheets than before has begun anew, and what is being looked at is another one's.
    """
    if now.sheets == 0:
        return [gr.Slider(interactive=False), None]
    if seen and seen.run == now.run and epoch < seen.sheets <= now.sheets:
        return [gr.Slider(maximum=now.sheets), gr.skip()]
    slider = gr.Slider(maximum=max(2, now.sheets), value=now.sheets, interactive=now.sheets > 1)
    return [slider, _read_sheet(folder, now.sheets)]


def _read_sheet(folder: Path, epoch: int) -> Image.Image | None:
    path = Results(folder).samples(epoch)
    return read_photo(path) if path.is_file() else None
