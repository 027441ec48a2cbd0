"""The tab that shows what the settings of generated masks do, before anything is trained."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from onar.config import MaskConfig
from onar.data.mask_sources import mask_source
from onar.imaging.sheets import mask_sheet
from onar.masks import MASK_TYPES, hole_share, mask_from_holes
from onar.serve.page.problems import telling
from onar.serve.page.texts import label, percent, say

COUNT, COLUMNS, SIZE = 12, 4, 192
"""Masks on the sheet, masks in a row of it, and their side in pixels."""


class MasksTab:
    """Builds the tab within the current `gr.Blocks`, and draws what it shows."""

    def __init__(self) -> None:
        self._seed = gr.State(0)
        with gr.Row():
            with gr.Column(scale=2):
                gr.Markdown(label("masks_help"))
                self.settings = [self._seed, *self._build_settings()]
                another = gr.Button(label("another"))
                flags = gr.Textbox(label=label("flags"), interactive=False, buttons=["copy"], lines=2, elem_id="flags")
            with gr.Column(scale=3):
                sheet = gr.Image(label=label("mask_sheet"), format="png", buttons=["fullscreen"], elem_id="mask_sheet")
                shares = gr.Markdown(elem_id="shares")
        self.shown = [sheet, shares, flags]
        another.click(lambda seed: seed + 1, self._seed, self._seed, api_visibility="private")
        gr.on(
            [setting.change for setting in self.settings],
            draw,
            self.settings,
            self.shown,
            trigger_mode="always_last",
            show_progress="hidden",
            api_visibility="private",
        )

    def _build_settings(self) -> list[Any]:
        """Components for mask_type, max_masks, max_size_ratio, max_thickness, and the two shares of hole_ratio."""
        default = MaskConfig()
        settings = [
            gr.Radio(list(MASK_TYPES), value=default.mask_type, label=label("mask_type"), info=label("mask_type_help")),
            gr.Slider(1, 20, value=default.max_masks, step=1, label=label("max_masks")),
            gr.Slider(0.05, 1, value=default.max_size_ratio, step=0.01, label=label("max_size_ratio")),
            gr.Slider(1, 120, value=default.max_thickness, step=1, label=label("max_thickness")),
        ]
        by_share = gr.Checkbox(False, label=label("by_share"))
        with gr.Group(visible=False) as group:
            shares = [
                gr.Slider(0.01, 0.9, value=0.1, step=0.01, label=label("lowest_share")),
                gr.Slider(0.01, 0.9, value=0.3, step=0.01, label=label("highest_share")),
            ]
        by_share.change(lambda chosen: gr.Group(visible=chosen), by_share, group, api_visibility="private")
        return [*settings, by_share, *shares]


@telling
def draw(
    seed: int,
    mask_type: str,
    max_masks: int,
    max_size_ratio: float,
    max_thickness: int,
    by_share: bool,
    lowest: float,
    highest: float,
    request: gr.Request,
) -> tuple[Any, str, str]:
    """A sheet of masks, what share of the photo they cover, and the flags that make `onar train` draw the like."""
    ratio = (min(lowest, highest), max(lowest, highest)) if by_share else None
    config = MaskConfig(
        mask_type=mask_type,  # type: ignore[arg-type]  # one of the radio's choices
        max_masks=max_masks,
        max_size_ratio=max_size_ratio,
        max_thickness=max_thickness,
        hole_ratio=ratio,
    )
    source = mask_source(config)
    masks = [mask_from_holes(source(SIZE, SIZE, np.random.default_rng((seed, index)))) for index in range(COUNT)]
    shares = [hole_share(mask) for mask in masks]
    low, high, mean = (percent(request, share) for share in (min(shares), max(shares), sum(shares) / COUNT))
    return mask_sheet(masks, COLUMNS), say(request, "shares", low=low, high=high, mean=mean), as_flags(config)


def as_flags(config: MaskConfig) -> str:
    """The settings as flags of the command line; those that do not matter are left out."""
    if config.hole_ratio is None:
        number = f"--max_masks {config.max_masks}"
    else:
        number = "--hole_ratio {} {}".format(*config.hole_ratio)
    sizes = f"--max_size_ratio {config.max_size_ratio} --max_thickness {config.max_thickness}"
    return f"--mask_type {config.mask_type} {number} {sizes}"
