"""How holes are filled: the options that the command, `Inpainter`, the API and the evaluation share."""

# No postponed annotations: as texts, they would be looked up in the modules of the subclasses.
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypedDict

from annotated_types import Ge, Le, Lt

from onar.settings.checks import Settings

StrategyOption = Literal["auto", "whole", "crop"]
TextureOption = Literal["auto", "network", "patches"]
FeatherOption = Annotated[int, Ge(0), Le(1000)]
FillSeedOption = Annotated[int, Ge(0), Lt(2**32)]
"""PatchMatch takes 32 bits."""
DilateOption = Annotated[int, Ge(0), Le(1000)]


class FillKeywords(TypedDict, total=False):
    """The fields of `FillOptions` as keyword arguments, for type checkers."""

    strategy: StrategyOption
    texture: TextureOption
    feather: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class FillOptions(Settings):
    """How holes are filled.

    >>> FillOptions(texture="network").strategy
    'auto'
    >>> FillOptions(feather=-1)
    Traceback (most recent call last):
    onar.errors.FieldError: feather must be from 0 to 1000, not -1
    """

    topic: ClassVar[str] = "Fill"

    strategy: StrategyOption = "auto"
    """Context of the network: the whole photo at once, crops around the holes, or whichever suits the photo's size."""
    texture: TextureOption = "auto"
    """Texture of deep holes: copied from the photo by PatchMatch, guided by the network's fill (patches), the network's
    fill alone (network), or patches where PatchMatch is installed (auto)."""
    feather: FeatherOption = 0
    """Blend the fill into the surrounding colours over this many pixels from the edge of the hole; known pixels stay
    as they are."""
    seed: FillSeedOption = 0
    """Random seed of the copied texture: the same seed gives the same picture."""

    def keywords(self) -> FillKeywords:
        """The options as keyword arguments, without the fields of subclasses."""
        return {"strategy": self.strategy, "texture": self.texture, "feather": self.feather, "seed": self.seed}


@dataclass(frozen=True, kw_only=True)
class BlendOption(Settings):
    """How the copied texture is blended with the network's fill."""

    topic: ClassVar[str] = "Fill"

    blend: Path | None = None
    """Weights that blend the network's fill with the copied texture: a file from `onar blend`, such as for your own
    network; by default the bundled ones."""


@dataclass(frozen=True, kw_only=True)
class MaskFileOptions(Settings):
    """How a mask file is read."""

    topic: ClassVar[str] = "Masks"

    invert_mask: bool = False
    """Holes are black in the mask files, instead of white."""
    dilate: DilateOption = 0
    """Dilate the holes by this many pixels, against soft or tight edges of masks."""
