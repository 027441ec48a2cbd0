"""Networks: the generators behind one call, completed = generator(photo, known), and the discriminator."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from onar.models.discriminator import Discriminator
from onar.models.partial_conv import PartialConv2d
from onar.models.pconv_unet import PConvUNet
from onar.models.pyramid_fill import PyramidFill

GENERATORS: dict[str, Callable[..., nn.Module]] = {"PConvUNet": PConvUNet, "PyramidFill": PyramidFill}

__all__ = ["GENERATORS", "Discriminator", "PConvUNet", "PartialConv2d", "PyramidFill"]
