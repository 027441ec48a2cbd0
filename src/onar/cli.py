"""The `onar` command. Heavy imports are inside the verbs, so that --help is fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter
from cyclopts.config import Dict

from onar.completion.config import CompletionConfig, EngineConfig
from onar.errors import FieldError, OnarError, UsageError
from onar.evaluation.config import EvaluationConfig
from onar.export.config import ExportConfig
from onar.launch import Command, convert_tokens, run
from onar.serve.config import ServeConfig
from onar.settings.checks import read_toml
from onar.settings.options import DeviceOption, PhotosOption, SizeOption, photo_data
from onar.settings.ranges import PositiveInt, Seed
from onar.settings.training import MaskConfig, TrainConfig
from onar.system.devices import choose_device, collect_less, keep_freed_memory, limit_opencv
from onar.training.blend.config import BlendConfig
from onar.training.colours.config import ColourConfig
from onar.training.finder.config import FinderConfig

_TRAINING_ONLY = (
    {field.name for field in fields(TrainConfig)} - {field.name for field in fields(MaskConfig)} - {"img_size", "seed"}
)

app = Command(
    name="onar",
    help="Train a partial-convolution inpainting network on your photos, and fill holes in photos with it.\n\n"
    "In mask files white is the hole, black is kept.",
    default_parameter=Parameter(negative_iterable=(), converter=convert_tokens),
    version=lambda: _version(),
    suppress_keyboard_interrupt=False,  # `run` reports what an interrupted training saved
)


@app.command
def train(config: Annotated[TrainConfig, Parameter(name="*")] = TrainConfig()) -> None:  # noqa: B008
    """Train on a folder of photos; writes weights, sample sheets and loss curves to the results folder."""
    from onar.training.gan.launch import trains_on_cpu
    from onar.training.gan.verb import train

    if trains_on_cpu(config):
        keep_freed_memory()
    train(config)


@app.command
def masks(
    output: Path,
    *,
    count: PositiveInt = 16,
    img_size: SizeOption = 512,
    seed: Seed = 0,
    overwrite: bool = False,
    config: Annotated[MaskConfig, Parameter(name="*")] = MaskConfig(),  # noqa: B008
) -> None:
    """Write generated masks as PNG files (white = hole), and a contact sheet of them.

    Args:
        output: Folder for mask_0000.png, mask_0001.png, … and sheet.png.
        count: Number of masks.
        img_size: Size of the masks in pixels: one number, or HEIGHTxWIDTH.
        seed: Random seed.
        overwrite: Replace the masks and the sheet of an earlier call; masks beyond `count` are removed.
        config: How holes are made.
    """
    from onar.data.mask_preview import write_masks

    print(write_masks(output, count, img_size, seed, config, overwrite=overwrite))


@app.command
def check(
    data: str,
    *more: str,
    val_data: PhotosOption | None = None,
    masks: Path | None = None,
    val_masks: Path | None = None,
    img_size: SizeOption = 512,
    photo_column: str | None = None,
) -> None:
    """Check training data: photos found, unreadable files, sizes.

    Args:
        data: Folder of photos, searched with all its subfolders, a file list, or a Hugging Face source (hf:...).
        *more: Further folders and lists.
        val_data: Photos for validation, as for `train`; they are excluded from the others.
        masks: Folder of masks, which is excluded, too.
        val_masks: Folder of masks for validation, which is excluded, too.
        img_size: Size of the training crops; smaller photos are counted, because training enlarges them.
        photo_column: Column of pictures in a Hugging Face source; by default, the first.
    """
    from onar.data.doctor import inspect_photos
    from onar.data.photo_folders import data_text, folders_beside, refuse_shared_folders

    config = TrainConfig(
        data=photo_data([data, *more]), val_data=val_data, masks=masks, val_masks=val_masks, photo_column=photo_column
    )
    refuse_shared_folders(folders_beside(config), [("data", config.data)])
    report = inspect_photos(config.data, img_size, column=photo_column, others=folders_beside(config, "data"))
    print(report)
    if not report.sizes:
        raise OnarError(f"none of the {len(report.unreadable)} photos in {data_text(config.data)} could be read")


@app.command
def complete(
    *photos: Annotated[
        str, Parameter(help="Files, folders with all their subfolders, or patterns in quotes: 'scans/**/*.jpg'.")
    ],
    mask: Path,
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
            pixels are the holes.
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


@app.command
def evaluate(config: Annotated[EvaluationConfig, Parameter(name="*")], *, write_pairs: Path | None = None) -> None:
    """Score how well holes in photos are filled, by hole share, and write a report.

    Args:
        config: Settings.
        write_pairs: New folder for the photos with their holes and for the masks, for other programs to complete. Score
            the results with `fills` and the same other options. Without `output` nothing is scored.
    """
    from onar.evaluation import verb
    from onar.evaluation.report_page import missing_for_page

    if config.output is None and write_pairs is None:
        raise FieldError("output", "is missing: name the report, such as `output` report.json")
    if write_pairs is not None:
        if config.output is None:
            config.refuse_scoring()
        print(f"{verb.write_pairs_of(config, write_pairs)} photos with holes, and their masks: {write_pairs}")
    if config.output is None:
        return
    print(verb.score(config))
    page = "" if missing_for_page() else f" and {config.output.with_suffix('.html')}"
    print(f"\nThe report: {config.output}{page}")


@app.command
def export(config: Annotated[ExportConfig, Parameter(name="*")]) -> None:
    """Export a generator: as ONNX, as safetensors in half precision, or as a page for any static host.

    The export is compared with the original on photos of three sizes before it is kept. An .onnx file completes photos
    without PyTorch, the page in the browser. This verb needs pip install "onar[train]".
    """
    from onar.export.verb import export_generator

    print(export_generator(config))


@app.command
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
    from onar.conversion.verb import convert

    print(convert(file, output, colours))


@app.command
def blend(config: Annotated[BlendConfig, Parameter(name="*")] = BlendConfig()) -> None:  # noqa: B008
    """Train the texture blend, which mixes a network's fill of deep holes with copied texture: a file for --blend.

    First makes pairs of fills from the photos, which takes most of the time, and then trains on them. Log, curves and
    checkpoints are in a results folder, as for `train`, and the same command resumes an interrupted training. This verb
    needs pip install "onar[train,offline]".
    """
    from onar.training.blend.verb import train_blend

    if choose_device(config.device).type == "cpu":
        keep_freed_memory()
    train_blend(config)


@app.command
def colours(config: Annotated[ColourConfig, Parameter(name="*")] = ColourConfig()) -> None:  # noqa: B008
    """Train the low-resolution colour predictor, and add it to a network's weights: a file for --weights.

    It works on averages of 8×8 pixels: thousands of holes in an hour on two cores. Log, curves and checkpoints are in a
    results folder, as for `train`, and the same command resumes an interrupted training. This verb needs pip install
    "onar[train,offline]".
    """
    from onar.training.colours.verb import train_colours

    if choose_device(config.device).type == "cpu":
        keep_freed_memory()
    train_colours(config)


@app.command
def finder(config: Annotated[FinderConfig, Parameter(name="*")] = FinderConfig()) -> None:  # noqa: B008
    """Train the network that finds scratches and dust, on photos onto which damage is drawn.

    The photos should be undamaged. Log, curves and checkpoints are in a results folder, as for `train`, and the same
    command resumes an interrupted training. This verb needs pip install "onar[train]".
    """
    from onar.training.finder.verb import train_finder

    if choose_device(config.device).type == "cpu":
        keep_freed_memory()
    train_finder(config)


@app.command
def serve(
    *,
    weights: str | None = None,
    device: DeviceOption = "auto",
    config: Annotated[ServeConfig, Parameter(name="*")] = ServeConfig(),  # noqa: B008
) -> None:
    """Serve a page to paint and fill holes, and an HTTP API, until Ctrl-C.

    Args:
        weights: A file as for `complete`; by default the bundled weights. "pyramid" is the pyramid fill, without
            weights.
        device: Device: auto, cpu, cuda, cuda:1, ... or mps; auto takes a GPU when there is one.
        config: Settings.
    """
    from onar.serve.server import serve

    serve(weights, device, config)


weights_app = Command(
    name="weights",
    help="Download public inpainting networks, such as LaMa and MI-GAN, for --weights. Nothing is downloaded unless "
    "you ask for it; licences are those of their authors.",
)
app.command(weights_app)
_ListedName = Annotated[str, Parameter(help="Name in the list.")]


@weights_app.command(name="list")
def list_weights() -> None:
    """List the networks: what they are good for, sizes, licences, addresses and SHA-256."""
    from onar.weights.listing import describe_all

    print(describe_all())


@weights_app.command(name="get")
def get_weights(name: _ListedName) -> None:
    """Download a network, or go on with a download that was interrupted."""
    from onar.weights.listing import download_with_bar

    print(download_with_bar(name))


@weights_app.command(name="path")
def path_of_weights(name: _ListedName) -> None:
    """Print the path of a downloaded network."""
    from onar.weights.store import downloaded

    print(downloaded(name))


@weights_app.command(name="remove")
def remove_weights(name: _ListedName) -> None:
    """Remove a downloaded network."""
    from onar.weights.store import remove

    print(f"{name} is removed" if remove(name) else f"{name} is not here")


@app.command
def demo(output: Path = Path("./onar_demo")) -> None:
    """Train for a few minutes on the photos that come with Onar, then fill holes in others and score the result.

    Args:
        output: Folder for the demo's photos, weights and pictures; replaced each time.
    """
    from onar.demo import demo
    from onar.training.gan.launch import trains_on_cpu

    if trains_on_cpu(TrainConfig()):
        keep_freed_memory()
    demo(output)


app.meta.suppress_keyboard_interrupt = False

_GENERAL = Group("General", sort_key=100)


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(group=_GENERAL)] = None,
    debug: Annotated[bool, Parameter(group=_GENERAL)] = False,
) -> None:
    """Run a verb.

    Args:
        *tokens: The verb and its arguments.
        config: TOML file with any settings of the verb; flags override it.
        debug: Show the traceback of errors.
    """
    app.config = ()  # reset the earlier call
    if config is not None:
        if not config.exists() or config.is_dir():  # it may be a pipe
            raise UsageError(f"--config {config}: no such file")
        values = read_toml(config)
        if tokens[:1] == ("masks",):  # a training recipe includes the settings of masks
            values = {key: value for key, value in values.items() if key not in _TRAINING_ONLY}
        app.config = (Dict(values, use_commands_as_keys=False, source=str(config)),)
    # A single hyphen, which means standard input, would be parsed as an option.
    tokens = tuple(os.path.join(".", token) if token == "-" else token for token in tokens)
    app(tokens, exit_on_error=False, print_error=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; by default, the arguments of the process."""
    if arguments is None:
        collect_less()
    run(app.meta, app, sys.argv[1:] if arguments is None else arguments)


def _version() -> str:
    from importlib.metadata import version

    return version("onar")


if __name__ == "__main__":
    main()
