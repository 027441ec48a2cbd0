"""Forms that the page's editor sends."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from onar.fills.cloning import Offset
from onar.finding.config import FindOptions, GrowOption, SensitivityOption, WithinOption
from onar.finding.kinds import KINDS, WITHOUT_EXTRA, describe_kinds
from onar.serve.editor.rectangles import Rectangles, SheetCorners
from onar.serve.http.uploads import Filling, Format, MarginsText, WeightsName, option
from onar.settings.ranges import Share


class PhotoUpload(BaseModel):
    """A photo, or the id of one that was sent before and is still kept."""

    model_config = ConfigDict(extra="forbid")

    photo: bytes = Field(b"", description="The photo file.")
    photo_id: str = Field("", description="Instead of the file: the `Onar-Photo` of an earlier answer.")
    keep: bool = Field(False, description="Keep the photo for a while; the answer's `Onar-Photo` is its id.")
    instead_of: str = Field("", description="The id of a kept photo to drop when this one is kept.")
    extend: MarginsText | None = Field(
        None,
        description="Margins that extend the photo, as of completing. All positions and sizes are then those of the "
        "extended photo; its margins are black until they are filled.",
    )

    @model_validator(mode="after")
    def _check_photo(self) -> PhotoUpload:
        if ("photo" in self.model_fields_set) == bool(self.photo_id):
            raise ValueError("give either photo or photo_id")
        return self


class ViewUpload(PhotoUpload):
    """A photo to view."""

    parts: Rectangles | None = Field(
        None,
        description="Only these parts of the upright photo at full resolution, LEFT,TOP,WIDTH,HEIGHT separated by ;. "
        "They are stacked vertically, each at the left edge.",
    )
    reduction: int = Field(1, ge=1, le=64, description="Factor by which parts are reduced, by the mean of pixels.")


class MaskUpload(BaseModel):
    """A mask."""

    model_config = ConfigDict(extra="forbid")

    mask: bytes = Field(description="The mask file: white is the hole, black is kept.")


class FilledUpload(PhotoUpload):
    """A photo with its earlier fills."""

    earlier: list[bytes] = Field([], description="Answers to earlier fills, the lowest layer first.")
    earlier_at: list[SheetCorners] = Field([], description="Position of each, as `at` of its fill.")

    @model_validator(mode="after")
    def _check_counts(self) -> FilledUpload:
        if len(self.earlier) != len(self.earlier_at):
            raise ValueError(f"{len(self.earlier)} earlier fills need as many earlier_at, not {len(self.earlier_at)}")
        return self


class FillUpload(FilledUpload, Filling):
    """A hole to fill."""

    mask: bytes = Field(
        description="A mask file of the rectangle round the hole: white is filled. It may hold several rectangles, "
        "stacked vertically, each at the left edge."
    )
    at: SheetCorners = Field(
        description="Position of that rectangle on the upright photo, as LEFT,TOP; for several, LEFT,TOP,WIDTH,HEIGHT "
        "separated by ;."
    )
    weights: WeightsName = ""
    work_id: str = Field("", pattern="^[A-Za-z0-9]{0,64}$", description="A new id to ask for the progress with.")


class FillProgress(BaseModel):
    """How far a fill is."""

    share: float | None = Field(description="From 0 to 1.", examples=[0.25])


def _read_offset(text: object) -> object:
    """The offset of a form's text."""
    if not isinstance(text, str):
        return text
    if not re.fullmatch(r"-?\d{1,9},-?\d{1,9}", text):
        raise ValueError("not RIGHT,DOWN in pixels")
    return Offset(*map(int, text.split(",")))


class CloneUpload(FilledUpload):
    """A stroke of the clone or the heal brush."""

    mask: bytes = Field(
        description="The stroke in grey, laid out as for a fill: white is replaced, black stays, grey is mixed."
    )
    at: SheetCorners = Field(description="Position of its rectangles, as for a fill.")
    offset: Annotated[
        Offset, BeforeValidator(_read_offset), WithJsonSchema({"type": "string", "examples": ["120,-48"]})
    ] = Field(description="From each pixel to the one that is copied to it, as RIGHT,DOWN in pixels.")
    heal: bool = Field(False, description="Fit the copied pixels to the photo around the stroke.")


class OutlineUpload(FilledUpload):
    """A lasso to shrink onto the object in it."""

    mask: bytes = Field(description="A mask file of a rectangle round the lasso: white is in it.")
    at: SheetCorners = Field(description="Position of that rectangle on the upright photo, as LEFT,TOP.")


def _numbers(text: object) -> object:
    """The numbers of a form's text, with spaces or commas between them."""
    return tuple(text.replace(",", " ").split()) if isinstance(text, str) else text


class FindUpload(FilledUpload):
    """A photo in which damage or text is to be found."""

    what: str = Field(
        ",".join(WITHOUT_EXTRA),
        description=f"Kinds, with commas: {describe_kinds()}.",
        examples=[",".join(KINDS)],
    )
    sensitivity: SensitivityOption = option(FindOptions, "sensitivity")
    grow: GrowOption | None = option(FindOptions, "grow")
    within: Annotated[
        WithinOption | None,
        BeforeValidator(_numbers),
        WithJsonSchema({"type": "string", "examples": ["0.5,0.8,0.5,0.2"]}),
    ] = option(FindOptions, "within")
    max_share: Share = option(FindOptions, "max_share")

    @property
    def options(self) -> FindOptions:
        """The options as the dataclass; raises `FieldError` for a rectangle that is none."""
        return FindOptions(sensitivity=self.sensitivity, grow=self.grow, within=self.within, max_share=self.max_share)


class SaveUpload(FilledUpload):
    """A photo to save with its fills."""

    format: Format = Field("same", description="Format of the answer, as for completing.")
    crop: Rectangles | None = Field(None, description="Only this part of the upright photo, LEFT,TOP,WIDTH,HEIGHT.")

    @model_validator(mode="after")
    def _check_crop(self) -> SaveUpload:
        if self.crop is not None and len(self.crop) > 1:
            raise ValueError("crop: give one rectangle")
        return self
