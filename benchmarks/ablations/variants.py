"""The runs of the ablations: a base recipe, and one setting changed in each."""

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
        settings: what differs from the base recipe, by the names of `TrainConfig`.
        removes: the base recipe has the option, and this run is without it; otherwise only this run has it.
    """

    name: str
    option: str
    settings: dict[str, Any] = field(default_factory=dict)
    removes: bool = False

    @property
    def change(self) -> str:
        """The settings as Markdown."""
        return ", ".join(f"`{name}` {value}" for name, value in self.settings.items()) or "as it is"


VARIANTS = (
    Variant(BASE, "the base recipe"),
    Variant("no_average", "average of the weights over time", {"ema_decay": 0.0}, removes=True),
    Variant("equal_weights", "more weight on hole pixels", {"hole_weight": 1.0}, removes=True),
    Variant("constant_rates", "falling learning rates", {"lr_schedule": "constant"}, removes=True),
    Variant("no_content", "content loss", {"lambda_content": 0.0}, removes=True),
    Variant("vgg16", "VGG16 as the content network", {"content_network": "vgg16"}),
    Variant("style", "style loss", {"lambda_style": 10.0}),
    Variant("no_adversarial", "adversarial loss", {"lambda_adv": 0.0}, removes=True),
    Variant("strong_adversarial", "more adversarial loss", {"lambda_adv": 0.1}),
    Variant("local_discriminator", "a verdict for each patch", {"discriminator": "local"}),
    Variant("no_base_fill", "start from the pyramid fill", {"base_fill": "none"}, removes=True),
    Variant("colour", "changed colours", {"augment_colour": 0.2}),
    Variant("blur", "blurred photos", {"augment_blur": 1.0}),
    Variant("jpeg", "compressed photos", {"augment_jpeg": 50}),
    Variant("rotation", "turned photos", {"augment_rotation": 10.0}),
    Variant("mixed_masks", "strokes and rectangles mixed", {"mask_type": "mixed"}),
    Variant("object_masks", "holes shaped like things", {"mask_type": "object"}),
    Variant("accumulation", "the same step in two batches", {"accumulation_steps": 2}),
)
"""The base recipe first. A step sees the same photos in each: `batch_size` is divided by `accumulation_steps`."""
