"""The runs of the ablations: a base recipe, and others that differ in one setting from it or from another run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BASE = "base"


@dataclass(frozen=True)
class Variant:
    """A variant of the training.

    Attributes:
        name: name of its folder.
        option: title of the option that it evaluates.
        own: the setting that differs from the compared run, by its name in `TrainConfig`.
        removes: it removes the option from the compared run, instead of adding it.
        beside: the compared run; by default the base recipe, where some options have no effect.
    """

    name: str
    option: str
    own: dict[str, Any] = field(default_factory=dict)
    removes: bool = False
    beside: Variant | None = None

    @property
    def compared_with(self) -> str:
        """Name of the compared run."""
        return self.beside.name if self.beside else BASE

    @property
    def settings(self) -> dict[str, Any]:
        """All settings that differ from the base recipe."""
        return (self.beside.settings if self.beside else {}) | self.own

    @property
    def change(self) -> str:
        """Its own setting, as Markdown."""
        own = ", ".join(f"`{name}` {value}" for name, value in self.own.items()) or "as it is"
        return f"{own}, beside `{self.beside.name}`" if self.beside else own


_CONSTANT_RATES = Variant("constant_rates", "learning rate schedule", {"lr_schedule": "constant"}, removes=True)
_NO_EMA, _LOCAL = {"ema_decay": 0.0}, {"discriminator": "local"}
_STRONG_ADVERSARIAL = Variant("strong_adversarial", "higher adversarial loss", {"lambda_adv": 0.1})

VARIANTS = (
    Variant(BASE, "the base recipe"),
    Variant("no_average", "EMA of the weights", _NO_EMA, removes=True),
    Variant("equal_weights", "higher weight of hole pixels", {"hole_weight": 1.0}, removes=True),
    _CONSTANT_RATES,
    Variant(
        "constant_no_average",
        "EMA of the weights, with constant learning rates",
        {"ema_decay": 0.0},
        True,
        _CONSTANT_RATES,
    ),
    Variant("no_content", "content loss", {"lambda_content": 0.0}, removes=True),
    Variant("vgg16", "VGG16 as the content network", {"content_network": "vgg16"}),
    Variant("style", "style loss", {"lambda_style": 10.0}),
    Variant("no_adversarial", "adversarial loss", {"lambda_adv": 0.0}, removes=True),
    _STRONG_ADVERSARIAL,
    Variant("local_discriminator", "patch discriminator", _LOCAL),
    Variant("strong_local", "patch discriminator, with higher adversarial loss", _LOCAL, beside=_STRONG_ADVERSARIAL),
    Variant("no_base_fill", "pyramid fill as the base", {"base_fill": "none"}, removes=True),
    Variant("pretrained_features", "pretrained features", {"pretrained_features": True}),
    Variant("blur", "blur augmentation", {"augment_blur": 1.0}),
    Variant("jpeg", "JPEG augmentation", {"augment_jpeg": 50}),
    Variant("rotation", "rotation augmentation", {"augment_rotation": 10.0}),
    Variant("mixed_masks", "mixed masks", {"mask_type": "mixed"}),
    Variant("object_masks", "object-shaped masks", {"mask_type": "object"}),
    Variant("accumulation", "gradient accumulation", {"accumulation_steps": 2}),
)
"""The base recipe first. The photos of a step are the same in all: `batch_size` is divided by `accumulation_steps`."""
