"""Commands that train, and that look at what is trained on. Heavy imports are inside them, so that --help is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from onar.commands.needs import require_extras
from onar.errors import OnarError
from onar.launch import as_command
from onar.settings.options import PhotosOption, SizeOption, photo_data
from onar.settings.ranges import PositiveInt, Seed
from onar.settings.training import MaskConfig, TrainConfig
from onar.system.devices import choose_device, keep_freed_memory
from onar.training.blend.config import BlendConfig
from onar.training.colours.config import ColourConfig
from onar.training.finder.config import FinderConfig


@as_command
def train(config: Annotated[TrainConfig, Parameter(name="*")] = TrainConfig()) -> None:  # noqa: B008
    """Train on a folder of photos; writes weights, sample sheets and loss curves to the results folder."""
    uses_package = config.content_network == "efficientnet_lite0" and (config.lambda_content or config.lambda_style)
    offline = ("offline",) if uses_package or config.pretrained_features else ()
    require_extras("train", ("train", *offline), config)
    from onar.training.gan.launch import trains_on_cpu
    from onar.training.gan.verb import train

    if trains_on_cpu(config):
        keep_freed_memory()
    train(config)


@as_command
def init(folder: Path = Path("."), *, recipe: str | None = None, overwrite: bool = False) -> None:
    """Write model_script.py, a script that trains with its settings as constants, and a recipe to change.

    Args:
        folder: Folder for the files, such as the one that has your folder of photos, data.
        recipe: Recipe to copy too, for `train --config`: bundled, gpu-8gb, guide, laptop or paper.
        overwrite: Replace files of these names.
    """
    from onar.settings.recipes import write_start

    for path in write_start(folder, recipe, overwrite=overwrite):
        print(f"{path}: change it, then {'python' if path.suffix == '.py' else 'onar train --config'} {path}")


@as_command
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


@as_command
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


@as_command
def blend(config: Annotated[BlendConfig, Parameter(name="*")] = BlendConfig()) -> None:  # noqa: B008
    """Train the texture blend, which mixes a network's fill of deep holes with copied texture: a file for --blend.

    First makes pairs of fills from the photos, which takes most of the time, and then trains on them. Log, curves and
    checkpoints are in a results folder, as for `train`, and the same command resumes an interrupted training. This verb
    needs pip install "onar[train,offline]".
    """
    require_extras("blend", ("train", "offline"), config)
    from onar.training.blend.verb import train_blend

    _keep_memory_on_cpu(config.device)
    train_blend(config)


@as_command
def colours(config: Annotated[ColourConfig, Parameter(name="*")] = ColourConfig()) -> None:  # noqa: B008
    """Train the low-resolution colour predictor, and add it to a network's weights: a file for --weights.

    It works on averages of 8×8 pixels: thousands of holes in an hour on two cores. Log, curves and checkpoints are in a
    results folder, as for `train`, and the same command resumes an interrupted training. This verb needs pip install
    "onar[train,offline]".
    """
    require_extras("colours", ("train", "offline"), config)
    from onar.training.colours.verb import train_colours

    _keep_memory_on_cpu(config.device)
    train_colours(config)


@as_command
def finder(config: Annotated[FinderConfig, Parameter(name="*")] = FinderConfig()) -> None:  # noqa: B008
    """Train the network that finds scratches and dust, on photos onto which damage is drawn.

    The photos should be undamaged. Log, curves and checkpoints are in a results folder, as for `train`, and the same
    command resumes an interrupted training. This verb needs pip install "onar[train]".
    """
    from onar.training.finder.verb import train_finder

    _keep_memory_on_cpu(config.device)
    train_finder(config)


def _keep_memory_on_cpu(device: str) -> None:
    if choose_device(device).type == "cpu":
        keep_freed_memory()


@as_command
def demo(output: Path = Path("./onar_demo")) -> None:
    """Fill holes with the bundled weights, then train for 3 minutes and fill the same holes again; scores both.

    Args:
        output: Folder for the demo's photos, weights and pictures; replaced each time.
    """
    require_extras("demo", ("train", "offline"))
    from onar.demo import demo
    from onar.training.gan.launch import trains_on_cpu

    if trains_on_cpu(TrainConfig()):
        keep_freed_memory()
    demo(output)
