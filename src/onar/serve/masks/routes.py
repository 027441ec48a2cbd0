"""A sheet of generated masks over HTTP, to try mask settings before training."""

from __future__ import annotations

import base64
import io
from typing import Annotated

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from onar.data.mask_sources import mask_source
from onar.imaging.formats.png import write_png
from onar.imaging.sheets import mask_sheet
from onar.masks.defaults import MASK_TYPE_HELP, MASK_TYPES
from onar.masks.holes import hole_share, mask_from_holes
from onar.serve.http.problems import Problem
from onar.settings.training import MaskConfig

MASKS = "/api/masks"
COUNT, COLUMNS, SIZE = 12, 4, 192
"""Masks on the sheet, masks per row, and their side in pixels."""

MIN_SIZE_RATIO, MAX_HOLE_RATIO = 0.05, 0.9
"""Limits of what is drawn for the page."""

_DEFAULT = MaskConfig()


class MaskSettings(BaseModel):
    """Mask settings of `onar train`, within ranges that a server draws quickly."""

    model_config = ConfigDict(extra="forbid")

    mask_type: str = Field(_DEFAULT.mask_type, json_schema_extra={"enum": list(MASK_TYPES)}, description=MASK_TYPE_HELP)
    max_masks: int = Field(_DEFAULT.max_masks, ge=1, le=100, description="Maximum number of shapes in a photo.")
    max_size_ratio: float = Field(
        _DEFAULT.max_size_ratio,
        ge=MIN_SIZE_RATIO,
        le=1,
        description="Maximum side of a shape, as a share of the photo's side.",
    )
    max_thickness: int = Field(
        _DEFAULT.max_thickness, ge=1, le=512, description="Maximum width of strokes, in pixels at 512."
    )
    hole_ratio: list[Annotated[float, Field(gt=0, le=MAX_HOLE_RATIO)]] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="Minimum and maximum share of a photo that holes cover; given twice. Replaces max_masks.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Random seed.")

    def config(self) -> MaskConfig:
        """The settings as those of a training; raises `UsageError` when they are inconsistent."""
        settings = self.model_dump(exclude={"seed", "hole_ratio"})
        return MaskConfig(**settings, hole_ratio=self.hole_ratio and tuple(self.hole_ratio))  # type: ignore[arg-type]


class MaskSamples(BaseModel):
    """Masks drawn with the settings."""

    sheet: str = Field(description="A PNG file of twelve masks as a data: URL; white is the hole.")
    columns: int = Field(description="Masks per row of the sheet.")
    shares: list[float] = Field(description="Share of the photo that each mask covers, row by row.")
    flags: str = Field(description="Flags of `onar train` for such masks.")


def mask_routes() -> APIRouter:
    """The endpoint of masks. Sheets are drawn one at a time, in a thread beside the worker."""
    router, turn = APIRouter(tags=["masks"]), CapacityLimiter(1)

    @router.get(
        MASKS, summary="A sheet of generated masks", responses={422: {"model": Problem, "description": "bad_request"}}
    )
    async def draw_masks(settings: Annotated[MaskSettings, Query()]) -> MaskSamples:
        return await to_thread.run_sync(draw, settings.config(), settings.seed, limiter=turn)

    return router


def draw(config: MaskConfig, seed: int) -> MaskSamples:
    """Draw a sheet of masks, with the share each covers and the flags of `onar train`."""
    source = mask_source(config)
    masks = [mask_from_holes(source(SIZE, SIZE, np.random.default_rng((seed, index)))) for index in range(COUNT)]
    png = io.BytesIO()
    write_png(png, mask_sheet(masks, COLUMNS))
    return MaskSamples(
        sheet=f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}",
        columns=COLUMNS,
        shares=[hole_share(mask) for mask in masks],
        flags=as_flags(config),
    )


def as_flags(config: MaskConfig) -> str:
    """The settings as command-line flags, without those that have no effect.

    >>> as_flags(MaskConfig())
    '--mask_type irregular --max_masks 3 --max_size_ratio 0.3 --max_thickness 20'
    """
    if config.hole_ratio is None:
        number = f"--max_masks {config.max_masks}"
    else:
        number = "--hole_ratio {} {}".format(*config.hole_ratio)
    sizes = f"--max_size_ratio {config.max_size_ratio} --max_thickness {config.max_thickness}"
    return f"--mask_type {config.mask_type} {number} {sizes}"
