"""The runs of the ablations: a base recipe, and others that each differ in one setting from it or from another run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BASE = "base"


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        name: of its folder.
        option: what it tells the worth of, for people.
        own: the setting that differs from the run it is compared with, by its name in `TrainConfig`.
        removes: that run has the option, and this one is without it; otherwise only this one has it.
        beside: the run it is compared with; by default that of the base recipe. Some options can do nothing there.
    """

    name: str
    option: str
    own: dict[str, Any] = field(default_factory=dict)
    removes: bool = False
    beside: Variant | None = None

    @property
    def compared_with(self) -> str:
        """Name of the run that its worth is told by."""
        return self.beside.name if self.beside else BASE

    @property
    def settings(self) -> dict[str, Any]:
        """All that differs from the base recipe."""
        return (self.beside.settings if self.beside else {}) | self.own

    @property
    def change(self) -> str:
        """What is its own, as Markdown."""
        own = ", ".join(f"`{name}` {value}" for name, value in self.own.items()) or "as it is"
        return f"{own}, beside `{self.beside.name}`" if self.beside else own


_CONSTANT_RATES = Variant("constant_rates", "falling learning rates", {"lr_schedule": "constant"}, removes=True)
_STRONG_ADVERSARIAL = Variant("strong_adversarial", "more adversarial loss", {"lambda_adv": 0.1})

VARIANTS = (
    Variant(BASE, "the base recipe"),
    Variant("no_average", "average of the weights over time", {"ema_decay": 0.0}, removes=True),
    Variant("equal_weights", "more weight on hole pixels", {"hole_weight": 1.0}, removes=True),
    _CONSTANT_RATES,
    Variant(
        "constant_no_average",
        "average of the weights over time, where rates do not fall",
        {"ema_decay": 0.0},
        removes=True,
        beside=_CONSTANT_RATES,
    ),
    Variant("no_content", "content loss", {"lambda_content": 0.0}, removes=True),
    Variant("vgg16", "VGG16 as the content network", {"content_network": "vgg16"}),
    Variant("style", "style loss", {"lambda_style": 10.0}),
    Variant("no_adversarial", "adversarial loss", {"lambda_adv": 0.0}, removes=True),
    _STRONG_ADVERSARIAL,
    Variant("local_discriminator", "a verdict for each patch", {"discriminator": "local"}),
    Variant(
        "strong_local",
        "a verdict for each patch, with more adversarial loss",
        {"discriminator": "local"},
        beside=_STRONG_ADVERSARIAL,
    ),
    Variant("no_base_fill", "start from the pyramid fill", {"base_fill": "none"}, removes=True),
    Variant("blur", "blurred photos", {"augment_blur": 1.0}),
    Variant("jpeg", "compressed photos", {"augment_jpeg": 50}),
    Variant("rotation", "turned photos", {"augment_rotation": 10.0}),
    Variant("mixed_masks", "strokes and rectangles mixed", {"mask_type": "mixed"}),
    Variant("object_masks", "holes shaped like things", {"mask_type": "object"}),
    Variant("accumulation", "the same step in two batches", {"accumulation_steps": 2}),
)
"""The base recipe first. A step sees the same photos in each: `batch_size` is divided by `accumulation_steps`."""
