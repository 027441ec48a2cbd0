"""How weights files of other programs are read."""

# No postponed annotations: as texts, they would be looked up in the modules of the subclasses.
from dataclasses import dataclass
from typing import ClassVar, Literal

from onar.settings.checks import Settings

NetworkOption = Literal["auto", "lama", "lama_unit", "lama_stacked", "migan", "migan_generator"]


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(Settings):
    """How weights files of other programs are read.

    >>> NetworkOptions(network="lama").trust_weights
    False
    """

    topic: ClassVar[str] = "Weights"

    network: NetworkOption = "auto"
    """Kind of network in a weights file of another program: LaMa with fills from 0 to 255 (lama) or from 0 to 1
    (lama_unit), LaMa with one input (lama_stacked), MI-GAN's pipeline (migan) or its generator alone
    (migan_generator), or what a test of the file finds (auto)."""
    trust_weights: bool = False
    """Run weights that are a TorchScript file, such as big-lama.pt: a program that can do anything that you can."""
