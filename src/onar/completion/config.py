"""Settings of completing photo files, as frozen dataclasses; see `onar.settings.training` for their use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from onar.errors import UsageError
from onar.settings.checks import Settings, at_least, check_patchmatch_seed, require


@dataclass(frozen=True, kw_only=True)
class CompletionConfig(Settings):
    """How photo files are completed."""

    strategy: Literal["auto", "whole", "crop"] = "auto"
    """What the network sees: the whole photo at once, crops round the holes, or what suits the photo's size."""
    texture: Literal["auto", "network", "patches"] = "auto"
    """What deep holes look like: the photo's own texture, copied by PatchMatch and led by the network (patches), the
    network's fill alone (network), or patches where PatchMatch is installed (auto)."""
    blend: Path | None = None
    """What blends the network's fill with the copied one: a file from `onar blend`, such as for a network of your own;
    by default what comes with Onar."""
    seed: int = 0
    """Of what is copied: the same seed gives the same picture, another one another try."""
    feather: int = 0
    """Let the fill fade into the colours at the seam over so many pixels; known pixels stay as they are."""
    invert_mask: bool = False
    """The masks have black holes."""
    resize_mask: bool = False
    """Resize masks of another size, but of the photo's proportions, to the photo's; otherwise they are refused."""
    dilate: int = 0
    """Widen the holes by so many pixels, against soft or tight edges of masks."""
    overlay: bool = False
    """Also write NAME_overlay.png: the photo with what will be filled in red."""
    compare: bool = False
    """Also write NAME_compare.png: the photo with its holes in white beside the result, at most 1024 pixels each."""
    keep_times: bool = False
    """Give results the times at which the photos' files were changed and read last."""
    resume: bool = False
    """Go on with what was stopped: a result that is there, whole and of this photo and mask, is left as it is."""
    workers: int = 2
    """Threads that read and write photos while others are being filled; each holds a photo in memory. 0: none."""
    max_megapixels: float = 200
    """Refuse larger photos and masks before decoding them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_patchmatch_seed(self.seed)
        at_least("feather", self.feather, 0)
        at_least("dilate", self.dilate, 0)
        at_least("workers", self.workers, 0)
        require(self.max_megapixels > 0, "max_megapixels", "must be above 0", self.max_megapixels)


@dataclass(frozen=True, kw_only=True)
class EngineConfig(Settings):
    """Where photo files are completed."""

    engine: Literal["local", "ray"] = "local"
    """local completes in this process; ray in workers on this or many machines, with pip install "onar[ray]"."""
    address: str | None = None
    """Ray cluster to work on: auto for the one that this machine belongs to, or HOST:PORT. Without it, ray starts
    one on this machine and ends it afterwards."""
    ray_workers: int = 0
    """Ray workers, each with the network in memory. 0: as many as the cluster has CPUs or GPUs for."""
    threads: int = 0
    """CPU threads that fill holes, and CPUs that a Ray worker takes. 0: one on each core that this process may use."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("ray_workers", self.ray_workers, 0)
        at_least("threads", self.threads, 0)
        if self.address is not None and not re.fullmatch(r"auto|[^/]+:\d+", self.address):
            raise UsageError(f"--address is auto, or HOST:PORT of the Ray cluster, not {self.address!r}")
        for name in ("address", "ray_workers"):
            if getattr(self, name) and self.engine != "ray":
                raise UsageError(f"--{name} is for --engine ray")
