"""Commands that fill and find holes. Heavy imports are inside them, so that --help is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from onar.completion.config import CompletionConfig, EngineConfig
from onar.finding.config import FindConfig
from onar.finding.kinds import WITHOUT_EXTRA, describe_kinds
from onar.launch import as_command
from onar.settings.options import DeviceOption
from onar.system.devices import limit_opencv


@as_command
def complete(
    *photos: Annotated[
        str, Parameter(help="Files, folders with all their subfolders, or patterns in quotes: 'scans/**/*.jpg'.")
    ],
    mask: Path | None = None,
    output: Path,
    weights: str | None = None,
    device: DeviceOption = "auto",
    overwrite: bool = False,
    config: Annotated[CompletionConfig, Parameter(name="*")] = CompletionConfig(),  # noqa: B008
    where: Annotated[EngineConfig, Parameter(name="*")] = EngineConfig(),  # noqa: B008
) -> None:
    """Fill the holes of photos; known pixels stay as they are.

    Args:
        *photos: Photos to complete.
        mask: Mask of the photo's size, white = hole; on a transparent layer, opaque = hole. A file for all photos, or a
            folder with a file for each, of the photo's name with any ending. "alpha" for photos whose transparent
            pixels are the holes. Not needed with `find` and `extend`.
        output: File for one photo, folder for several. The ending decides the format: png jpg bmp tif webp.
        weights: A .pth, .safetensors or .onnx file; by default the bundled weights. "pyramid" is the pyramid fill,
            without weights.
        device: Device: auto, cpu, cuda, cuda:1, ... or mps; auto takes a GPU when there is one.
        overwrite: Replace existing files, the photos themselves included.
        config: Settings.
        where: In this process, or in a Ray cluster.
    """
    from onar.completion.verb import complete

    limit_opencv(where.threads)
    complete(photos, mask, output, weights=weights, device=device, overwrite=overwrite, config=config, where=where)


@as_command
def find(
    *photos: Annotated[
        str, Parameter(help="Files, folders with all their subfolders, or patterns in quotes: 'scans/**/*.jpg'.")
    ],
    what: Annotated[str, Parameter(help=f"Kinds, with commas: {describe_kinds()}.")] = ",".join(WITHOUT_EXTRA),
    output: Path,
    device: DeviceOption = "auto",
    overwrite: bool = False,
    config: Annotated[FindConfig, Parameter(name="*")] = FindConfig(),  # noqa: B008
) -> None:
    """Find damage and text in photos, and write masks of them for `complete --mask`: white is what was found.

    Args:
        *photos: Photos to search.
        what: Kinds to look for.
        output: File for one photo, folder for several: a mask has the name of its photo, and ends in .png.
        device: Device: auto, cpu, cuda, cuda:1, ... or mps; auto takes a GPU when there is one.
        overwrite: Replace existing masks.
        config: Settings.
    """
    from onar.finding.verb import find_masks

    limit_opencv(config.threads)
    find_masks(photos, what, output, device=device, overwrite=overwrite, config=config)
