"""Networks: the generators behind one call, completed = generator(photo, known), and the discriminator."""

from __future__ import annotations

from onar.models.discriminator import Discriminator
from onar.models.generators import GENERATORS
from onar.models.partial_conv import PartialConv2d
from onar.models.pconv_unet import PConvUNet
from onar.models.pyramid_fill import PyramidFill

__all__ = ["GENERATORS", "Discriminator", "PConvUNet", "PartialConv2d", "PyramidFill"]
