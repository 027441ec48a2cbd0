"""Commands for weights: public networks, export, conversion. Heavy imports are inside, so that --help is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from onar.commands.needs import require_extras
from onar.errors import OnarError, printable
from onar.export.config import ExportConfig
from onar.launch import Command, as_command

weights = Command(
    name="weights",
    help="Download public inpainting networks, such as LaMa and MI-GAN, for --weights. Nothing is downloaded unless "
    "you ask for it; licences are those of their authors.",
)
_ListedName = Annotated[str, Parameter(help="Name in the list.")]


@weights.command(name="list")
def list_weights() -> None:
    """List the networks: what they are good for, sizes, licences, addresses and SHA-256."""
    from onar.weights.listing import describe_all

    print(describe_all())


@weights.command(name="get")
def get_weights(name: _ListedName) -> None:
    """Download a network, or go on with a download that was interrupted."""
    from onar.weights.listing import download_with_bar

    print(download_with_bar(name))


@weights.command(name="path")
def path_of_weights(name: _ListedName) -> None:
    """Print the path of a downloaded network."""
    from onar.weights.store import downloaded

    print(downloaded(name))


@weights.command(name="remove")
def remove_weights(name: _ListedName) -> None:
    """Remove a downloaded network."""
    from onar.weights.store import remove

    print(f"{name} is removed" if remove(name) else f"{name} is not here")


@as_command
def export(config: Annotated[ExportConfig, Parameter(name="*")]) -> None:
    """Export a generator: as ONNX, as safetensors in half precision, or as a page for any static host.

    The export is compared with the original on photos of three sizes before it is kept. An .onnx file completes photos
    without PyTorch, the page in the browser. This verb needs pip install "onar[train]".
    """
    require_extras("export", ("train",), config)
    from onar.export.verb import export_generator

    print(export_generator(config))


@as_command
def convert(file: Path, *, output: Path, colours: Literal["imagenet", "symmetric", "unit"] | None = None) -> None:
    """Convert weights that were trained by another program.

    Reads state dicts of partial-convolution U-Nets as saved by naoto0804's pytorch-inpainting-with-partial-conv and
    MMagic, and those with layers of NVIDIA/partialconv. Tensors that are unknown, missing or of another shape are
    errors, and nothing is written. This verb needs pip install "onar[train]".

    Args:
        file: A PyTorch file, loaded without running code from it; the state dict may be under the key state_dict, model
            or ckpt.
        output: File, such as model.safetensors, for `complete`, `serve`, `evaluate`, `export` and
            `train --init_weights`.
        colours: Value range of the network's input: normalised by ImageNet's means and standard deviations, from -1 to
            1 (symmetric), or from 0 to 1 (unit). Required where the layout does not imply it.
    """
    if not file.exists():
        raise OnarError(f"cannot read {printable(file)}: No such file or directory")
    require_extras("convert", ("train",))
    from onar.conversion.verb import convert

    print(convert(file, output, colours))
