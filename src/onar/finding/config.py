"""Settings of finding, as frozen dataclasses; see `onar.settings.training` for their use."""

# No postponed annotations: as texts, they would be looked up in the modules of the subclasses.
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from onar.settings.checks import Settings, require
from onar.settings.ranges import NonNegativeInt, PositiveFloat, Share

SensitivityOption = Annotated[float, Ge(0), Le(1)]
GrowOption = Annotated[int, Ge(0), Le(1000)]
WithinOption = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class FindOptions(Settings):
    """How much is marked, and where.

    >>> FindOptions(sensitivity=0.7).grow is None
    True
    """

    topic: ClassVar[str] = "Find"

    sensitivity: SensitivityOption = 0.5
    """How much is marked: 0 only what is certain, 1 all that is suspicious."""
    grow: GrowOption | None = None
    """Widen what was found by this many pixels, against soft edges; by default 1, and 2 around text."""
    within: WithinOption | None = None
    """Mark only within a rectangle: X Y W H, its left and top edges, width and height. Numbers of at most 1 are shares
    of the photo's width and height, others are pixels."""
    max_share: Share = 0.2
    """Maximum share of a photo to mark; a photo with more is named, and left alone: a page of text is no damage."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.within is not None:
            left, top, width, height = self.within
            require(min(left, top) >= 0, "within", "takes X and Y of at least 0", f"{left:g} and {top:g}")
            require(min(width, height) > 0, "within", "takes W and H above 0", f"{width:g} and {height:g}")


@dataclass(frozen=True, kw_only=True)
class FindConfig(FindOptions):
    """How masks of photo files are made."""

    topic: ClassVar[str] = "Files"

    preview: bool = False
    """Also write NAME_preview.jpg: the photo with what was found in red."""
    workers: NonNegativeInt = 2
    """Threads that read and write photos while others are searched; each holds one photo in memory. 0: no threads."""
    threads: NonNegativeInt = 0
    """CPU threads for the networks. 0: one per available core."""
    max_megapixels: PositiveFloat = 200
    """Maximum size of photos in megapixels; larger ones are refused before decoding."""
