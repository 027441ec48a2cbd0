"""Settings of completing photo files, as frozen dataclasses; see `onar.settings.training` for their use."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, Literal

from onar.errors import FieldError
from onar.finding.config import FindOptions
from onar.finding.kinds import kinds_of
from onar.masks.margins import RULE, are_margins
from onar.settings.checks import Settings
from onar.settings.fill import BlendOption, FillOptions, MaskFileOptions
from onar.settings.networks import NetworkOptions
from onar.settings.ranges import NonNegativeInt, PositiveFloat


@dataclass(frozen=True, kw_only=True)
class CompletionConfig(MaskFileOptions, BlendOption, FillOptions, NetworkOptions, FindOptions):
    """How photo files are completed.

    >>> CompletionConfig(strategy="crop", dilate=2).feather
    0
    """

    topic: ClassVar[str] = "Files"

    find: str | None = None
    """Find the holes: scratches, dust, text, or several of them with commas; those of a mask are filled, too."""
    extend: str | None = None
    """Extend the photos by margins, which are filled: 40 pixels or 10% on all sides, or LEFT,TOP,RIGHT,BOTTOM; holes of
    a mask are filled, too."""
    resize_mask: bool = False
    """Resize masks of another size, but of the photo's aspect ratio, to the photo's size; by default they are
    refused."""
    overlay: bool = False
    """Also write NAME_overlay.png: the photo with its holes in red."""
    compare: bool = False
    """Also write NAME_compare.png: the photo with white holes beside the result, at most 1024 pixels each."""
    keep_times: bool = False
    """Copy the access and modification times of the photo files to the results."""
    resume: bool = False
    """Skip photos whose result exists, is complete, and has the photo's known pixels; with the `report` of the earlier
    call, only if photo, mask, weights and settings are the same, too."""
    report: Path | None = None
    """File, .json or .csv, of what was done to each photo: files, state, share of holes, seconds, notes, errors."""
    contact_sheet: Path | None = None
    """Picture of all photos, small, with their holes in red beside the results; of many photos, further files with a
    number."""
    quiet: bool = False
    """Print errors only, no progress and no notes."""
    workers: NonNegativeInt = 2
    """Threads that read and write photos while others are filled; each holds one photo in memory. 0: no threads."""
    max_megapixels: PositiveFloat = 200
    """Maximum size of photos and masks in megapixels; larger ones are refused before decoding."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.extend is not None and not are_margins(self.extend):
            raise FieldError("extend", f"{RULE}, not {self.extend!r}")
        if self.find is not None:
            kinds_of(self.find, "find")
        elif changed := next((one for one in fields(FindOptions) if getattr(self, one.name) != one.default), None):
            raise FieldError(changed.name, "is for `find`: say what is to be found")


@dataclass(frozen=True, kw_only=True)
class EngineConfig(Settings):
    """Where photo files are completed."""

    topic: ClassVar[str] = "Engine"

    engine: Literal["local", "ray"] = "local"
    """Complete in this process (local), or in Ray workers on one or several machines, with pip install "onar[ray]"
    (ray)."""
    address: str | None = None
    """Address of the Ray cluster: auto for the one that this machine belongs to, or HOST:PORT; by default, a local one
    is started and stopped."""
    ray_workers: NonNegativeInt = 0
    """Number of Ray workers, each with a copy of the network. 0: as many as the cluster's CPUs or GPUs allow."""
    threads: NonNegativeInt = 0
    """CPU threads for filling, and CPUs per Ray worker. 0: one per available core."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.address is not None and not re.fullmatch(r"auto|[^/]+:\d+", self.address):
            raise FieldError("address", f"is auto, or HOST:PORT of the Ray cluster, not {self.address!r}")
        for name in ("address", "ray_workers"):
            if getattr(self, name) and self.engine != "ray":
                raise FieldError(name, "is for `engine` ray")
