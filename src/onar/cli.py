"""The `onar` command: one verb, one call. Heavy imports stay inside the verbs, so that --help answers at once."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter, Token
from cyclopts import convert as convert_tokens
from cyclopts.config import Dict

from onar.completion.config import CompletionConfig, EngineConfig
from onar.errors import OnarError, OutOfMemoryError, UsageError, extra_for_training, is_out_of_memory, printable
from onar.serve.config import ServeConfig
from onar.settings.checks import read_toml
from onar.settings.training import DeviceOption, MaskConfig, PhotosOption, SizeOption, TrainConfig, photo_data
from onar.system.devices import choose_device, keep_freed_memory, let_threads_sleep, limit_opencv
from onar.system.streams import lost_output, steady_streams
from onar.training.blend.config import BlendConfig
from onar.training.colours.config import ColourConfig
from onar.weights.bundled import BUNDLED

_TRAINING_ONLY = (
    {field.name for field in fields(TrainConfig)}
    - {field.name for field in fields(MaskConfig)}
    - {
        "img_size",
        "seed",
    }
)

_SAVES_MEMORY = {
    "complete": "--strategy crop and --workers 0 need the least",
    "evaluate": "a smaller --img_size needs less, or --device cpu where a GPU has too little",
    "masks": "a smaller --img_size needs less",
    "serve": "a smaller --queue and --max_megapixels need less",
    "train": "a smaller --batch_size, --img_size or --num_workers needs less",
}
"""What needs less memory, by verb."""


def _convert(hint: Any, tokens: Sequence[Token]) -> Any:
    """Convert as cyclopts does, but refuse a broken number for a whole one, which it rounds, and an empty path."""
    value = convert_tokens(hint, tokens)
    paths = value if isinstance(value, list | tuple) else [value]
    if Path() in paths and "" in (token.value for token in tokens):  # as of a shell's variable that is not set
        raise ValueError("takes a path, not an empty text")
    if type(value) is int and "." in (given := tokens[0].value) and float(given) != value:
        raise ValueError(f"takes a whole number, not {given}")
    return value


SeveralPaths = Annotated[list[Path], Parameter(consume_multiple=(1, None))]

app = App(
    name="onar",
    help="Train a partial-convolution inpainting network on your photos, and fill holes in photos with it.\n\n"
    "In mask files white is the hole, black is kept.",
    default_parameter=Parameter(negative_iterable=(), converter=_convert),
    version=lambda: _version(),
    suppress_keyboard_interrupt=False,  # `main` says what an interrupted training saved
)


@app.command
def train(config: Annotated[TrainConfig, Parameter(name="*")] = TrainConfig()) -> None:  # noqa: B008
    """Train on a folder of photos; leaves weights, sample sheets and loss curves in the results folder."""
    from onar.training.gan.launch import trains_on_cpu
    from onar.training.gan.verb import train

    if trains_on_cpu(config):
        keep_freed_memory()
    train(config)


@app.command
def masks(
    output: Path,
    *,
    count: int = 16,
    img_size: SizeOption = 512,
    seed: int = 0,
    overwrite: bool = False,
    config: Annotated[MaskConfig, Parameter(name="*")] = MaskConfig(),  # noqa: B008
) -> None:
    """Write generated masks as PNG files (white = hole), and one sheet that shows them all.

    Args:
        output: Folder for mask_0000.png, mask_0001.png, … and sheet.png.
        count: How many masks.
        img_size: Their size in pixels: one number, or HEIGHTxWIDTH.
        seed: Another seed gives other masks.
        overwrite: Replace the masks and the sheet of an earlier call, and remove those that are no longer of the set.
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
    """Say what would be trained on: photos found, unreadable files, sizes.

    Args:
        data: Folder of photos, searched with all its subfolders, a file list, or a Hugging Face source (hf:...).
        *more: Further folders and lists.
        val_data: Photos for validation, which are left out where they lie among the others; as for `train`.
        masks: Folder of masks, which is left out, too.
        val_masks: Folder of masks for validation, likewise.
        img_size: Size of the training crops; smaller photos are counted, because training enlarges them.
        photo_column: Column of pictures in a source; without it, the first.
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
    """Fill the holes of photos; what is not a hole stays as it is.

    Args:
        *photos: What to complete.
        mask: White is filled, black is kept; on a transparent layer, what is painted is filled. A file for all photos,
            or a folder with a file for each, of the photo's name but for the ending, and of the photo's size. "alpha"
            for photos in which the holes were erased.
        output: File for one photo, folder for several. The ending chooses the format: png jpg bmp tif webp.
        weights: A .pth, .safetensors or .onnx file; by default the bundled weights. "pyramid" fills without any.
        device: Where the network runs.
        overwrite: Replace files that are there, the photos themselves included.
        config: How.
        where: In this process, or in those of a Ray cluster.
    """
    from onar.completion.verb import complete

    limit_opencv(where.threads)
    complete(photos, mask, output, weights=weights, device=device, overwrite=overwrite, config=config, where=where)


@app.command
def evaluate(
    *,
    data: Path,
    output: Path | None = None,
    masks: Path | None = None,
    weights: SeveralPaths | None = None,
    fills: SeveralPaths | None = None,
    write_pairs: Path | None = None,
    baselines: bool = False,
    img_size: SizeOption | None = None,
    masks_per_range: int | None = None,
    count: int | None = None,
    seed: int = 0,
    features: str | None = None,
    features_weights: Path | None = None,
    device: DeviceOption = "auto",
    texture: Literal["auto", "network", "patches"] = "auto",
    blend: Path | None = None,
) -> None:
    """Score how well holes in photos are filled, by hole share, and write a report.

    Args:
        data: Folder of photos that were not trained on, searched with all its subfolders.
        output: The report as JSON, such as report.json; report.html with tables, plots and pictures goes beside it.
        masks: Folder of mask files (white = hole), each used once. Without it, holes are generated from `seed`.
        weights: A file as for `complete`; by default the bundled weights. "pyramid" fills without any. Several are
            scored side by side, named by their paths or as NAME=FILE; the others are compared with the first.
        fills: Folders of pictures that other programs have completed, scored beside the weights, as DIR or NAME=DIR;
            see `write_pairs`.
        write_pairs: New folder for the photos with their holes and for the masks, for other programs to complete. What
            they make is scored with `fills` and otherwise the same options. Without `output` nothing is scored.
        baselines: Also score fills that learn nothing, on the same holes: PatchMatch, OpenCV's Telea and
            Navier-Stokes, the biharmonic fill (slow for large holes), the mean colour and the pyramid fill.
        img_size: Score centre crops resized to this size: one number, or HEIGHTxWIDTH. Without it, whole photos at
            their own size.
        masks_per_range: Masks in each of twelve groups (six ranges of hole share, away from the border and reaching
            it): generated ones, by default 10, or at most so many of the mask files, by default all.
        count: Use so many photos, spread evenly over the folder; by default all.
        seed: Another seed gives other generated holes.
        features: Also compute FID and KID on the features of this network: inception_v3, as papers do,
            efficientnet_lite0 or vgg16.
        features_weights: Its weights; by default those of its package or of torch's cache.
        device: Where to compute; auto takes a GPU when there is one.
        texture: As for `complete`: with copied texture (patches), without (network), or with it where it can be (auto).
        blend: As for `complete`: what `onar blend` has trained.
    """
    from onar.evaluation import verb
    from onar.evaluation.report_page import missing_for_page

    same: dict[str, Any] = {
        "masks": masks,
        "img_size": img_size,
        "masks_per_range": masks_per_range,
        "count": count,
        "seed": seed,
    }
    if output is None:
        scoring: dict[str, Any] = {
            "weights": weights,
            "fills": fills,
            "baselines": baselines,
            "features": features,
            "blend": blend,
        }
        scoring["features_weights"] = features_weights
        _refuse_without_report(write_pairs, [name for name, value in scoring.items() if value])
    if write_pairs is not None:
        print(f"{verb.write_pairs(data, write_pairs, **same)} photos with holes, and their masks: {write_pairs}")
    if output is None:
        return
    report = verb.evaluate(
        data,
        **same,
        weights=weights,
        fills=fills,
        baselines=baselines,
        features=features,
        features_weights=features_weights,
        device=device,
        texture=texture,
        blend=blend,
        output=output,
    )
    print(report)
    written = [str(output)] if missing_for_page() else [str(output), str(output.with_suffix(".html"))]
    print(f"\nThe report: {' and '.join(written)}")


def _refuse_without_report(write_pairs: Path | None, scoring: Sequence[str]) -> None:
    """Refuse an evaluation that is to score and to write no report."""
    if write_pairs is None:
        raise UsageError("--output is missing: name the report, such as --output report.json")
    if scoring:
        raise UsageError(
            f"--write_pairs alone scores nothing: leave out --{scoring[0]}, or name a report with --output"
        )


@app.command
def export(
    *,
    output: Path,
    weights: str = BUNDLED,
    format: Literal["onnx", "safetensors", "web"] | None = None,
    blend: Path | None = None,
    blend_share: float = 0.2,
    correction_window: int | None = None,
    half: bool = False,
    int8: bool = False,
    calibration: Path | None = None,
    texture_blend: Path | None = None,
) -> None:
    """Write a generator to pass on: as ONNX, as safetensors in half precision, or as a page for any static host.

    It is compared with the original on photos of three sizes before it is kept. An .onnx file completes photos
    without PyTorch, the page in the browser. This verb needs pip install "onar[train]".

    Args:
        output: The file, such as model.onnx or model.safetensors, or the folder of the page.
        weights: A .pth, .safetensors or .onnx file, or "pyramid"; by default those that come with Onar. A .safetensors
            file of `onar blend` becomes an .onnx file, too.
        format: web for the page; otherwise the ending of the file says it.
        blend: Weights that these were fine-tuned from; the file gets a mean of both. So a network with much texture can
            be brought some way back to a smoother, more cautious one.
        blend_share: Share of `blend` in that mean, from 0 to 1.
        correction_window: For a network with `base_fill` pyramid: its correction counts by the share of holes among so
            many pixels a side round each pixel, an odd number such as 21. So thin holes and seams stay near the plain
            fill, which is hard to better there. 0 counts it in full everywhere.
        half: Weights of an .onnx file in half precision, half as large.
        int8: Convolutions in 8-bit integers: a smaller, faster file. What that costs is measured and printed.
        calibration: Folder of photos like those to be completed, for --int8 to be calibrated and measured on; the
            photos that come with Onar otherwise.
        texture_blend: What `onar blend` has trained, for copied texture on the page; what comes with Onar otherwise.
    """
    from onar.export.verb import export

    exported = export(
        weights,
        output,
        format=format,
        blend=blend,
        blend_share=blend_share,
        correction_window=correction_window,
        half=half,
        int8=int8,
        calibration=calibration,
        texture_blend=texture_blend,
    )
    print(exported)


@app.command
def convert(file: Path, *, output: Path, colours: Literal["imagenet", "symmetric", "unit"] | None = None) -> None:
    """Turn weights that another program has trained into a file for Onar.

    Reads state dicts of partial-convolution U-Nets as naoto0804's pytorch-inpainting-with-partial-conv and MMagic save
    them, and those made of layers of NVIDIA/partialconv. Every tensor is accounted for: one that is unknown, missing or
    of another shape is named, and nothing is written. This verb needs pip install "onar[train]".

    Args:
        file: A file of PyTorch, read without running code from it; the state dict may lie under the key state_dict,
            model or ckpt.
        output: The file, such as model.safetensors, for `complete`, `serve`, `evaluate`, `export` and
            `train --init_weights`.
        colours: The numbers in which the network sees colours: normalised by ImageNet's means and deviations, from -1
            to 1, or from 0 to 1. Needed where the layout does not say it.
    """
    from onar.conversion.verb import convert

    print(convert(file, output, colours))


@app.command
def blend(config: Annotated[BlendConfig, Parameter(name="*")] = BlendConfig()) -> None:  # noqa: B008
    """Train a blend of a network's fill and texture copied from the photo, for deep holes: a file for --blend.

    First makes pairs of fills from the photos, which takes the most time, and then trains on them. Log, curves and
    checkpoints are in a results folder, as those of train; the same command goes on from there after a stop. It needs
    pip install "onar[train,offline]".
    """
    from onar.training.blend.verb import train_blend

    if choose_device(config.device).type == "cpu":
        keep_freed_memory()
    train_blend(config)


@app.command
def colours(config: Annotated[ColourConfig, Parameter(name="*")] = ColourConfig()) -> None:  # noqa: B008
    """Train the low-resolution colour predictor, and put it into a network's weights: a file for --weights.

    It sees photos in cells of 8×8 pixels, and thousands of holes in an hour on two cores. Log, curves and checkpoints
    are in a results folder, as those of train; the same command goes on from there after a stop. It needs
    pip install "onar[train,offline]".
    """
    from onar.training.colours.verb import train_colours

    if choose_device(config.device).type == "cpu":
        keep_freed_memory()
    train_colours(config)


@app.command
def serve(
    *,
    weights: str | None = None,
    device: DeviceOption = "auto",
    config: Annotated[ServeConfig, Parameter(name="*")] = ServeConfig(),  # noqa: B008
) -> None:
    """Serve a page where people paint holes, and an HTTP API, until Ctrl-C.

    Args:
        weights: A file as for `complete`; by default the bundled weights. "pyramid" fills without any.
        device: Where the network runs.
        config: How.
    """
    from onar.serve.server import serve

    serve(weights, device, config)


@app.command
def demo(output: Path = Path("./onar_demo")) -> None:
    """Train for a few minutes on the photos that come with Onar, then fill holes in others and score the result.

    Args:
        output: Folder for the demo's photos, weights and pictures; made anew each time.
    """
    from onar.demo import demo
    from onar.training.gan.launch import trains_on_cpu

    if trains_on_cpu(TrainConfig()):
        keep_freed_memory()
    demo(output)


app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Path | None = None,
    debug: bool = False,
) -> None:
    """Run a verb.

    Args:
        *tokens: The verb and its arguments.
        config: TOML file with any of the verb's settings; flags win over it.
        debug: Show the traceback of an error.
    """
    app.config = ()  # nothing of an earlier call
    if config is not None:
        if not config.exists() or config.is_dir():  # it may be a pipe
            raise UsageError(f"--config {config}: no such file")
        values = read_toml(config)
        if tokens[:1] == ("masks",):  # a training recipe also says which masks to draw
            values = {key: value for key, value in values.items() if key not in _TRAINING_ONLY}
        app.config = (Dict(values, use_commands_as_keys=False, source=str(config)),)
    # A lone hyphen, which stands for standard input, would be taken for an option.
    tokens = tuple(os.path.join(".", token) if token == "-" else token for token in tokens)
    app(tokens, exit_on_error=False, print_error=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: exit code 0 done, 1 failed, 2 wrong use, 130 stopped with Ctrl-C, 143 with SIGTERM.

    Args:
        arguments: verb and what follows; those of the process when None.
    """
    steady_streams()
    let_threads_sleep()
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    try:
        with _tidy_when_ended():
            app.meta(arguments, exit_on_error=False, print_error=False)
    except SystemExit as end:  # how cyclopts ends a verb that is done
        if not end.code and (error := lost_output()):
            sys.exit(_tell(OnarError(f"all is done, but what was printed is lost: {error.strerror}"), 1, debug))
        raise
    except CycloptsError as error:
        sys.exit(_tell(UsageError(_say_misuse(error)), 2, debug))
    except UsageError as error:
        sys.exit(_tell(error, 2, debug))
    except OnarError as error:
        sys.exit(_tell(_without_memory(error, arguments) or error, 1, debug))
    except KeyboardInterrupt as stop:
        print(f"\n{stop}" if str(stop) else "\nStopped.", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if reason := _without_memory(error, arguments) or _say_cause_outside(error, arguments):
            sys.exit(_tell(OnarError(str(reason)), 1, debug))
        sys.exit(_tell(error, 1, debug, "an error in Onar itself; --debug shows where: "))


@contextmanager
def _tidy_when_ended() -> Iterator[None]:
    """Let SIGTERM, and the end of the terminal, end this process as an error does: with its temporary files removed.

    What is ignored, as `nohup` has it, stays ignored. Verbs that end in their own way catch the signals themselves.
    """

    def end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    names = ("SIGTERM", "SIGHUP")  # Windows has the first alone
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    try:
        caught = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
        for number in caught:
            signal.signal(number, end)
    except ValueError:  # not in the main thread
        caught = []
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _without_memory(error: Exception, arguments: Sequence[str]) -> OnarError | None:
    """What to do where memory ran out; nothing for another error, and for one that says so itself."""
    if isinstance(error, OutOfMemoryError) or "not enough memory" in str(error) or not is_out_of_memory(error):
        return None
    verb = next((word for word in arguments if word in app), "")
    advice = _SAVES_MEMORY.get(verb, "end other programs, or allow this one more")
    return OutOfMemoryError(f"not enough memory: {advice}")


def _say_cause_outside(error: Exception, arguments: Sequence[str]) -> str:
    """What is missing, or which file the system refuses; nothing for an error in Onar itself."""
    if isinstance(error, ModuleNotFoundError) and (advice := extra_for_training(error)):
        return f"{next((word for word in arguments if word in app), 'onar')} needs {advice}"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{printable(error.filename)}: {error.strerror}"
    return ""


def _say_misuse(error: CycloptsError) -> str:
    """Which flag is wrong, and what it takes; in cyclopts' words where these name the flag."""
    argument, text = error.argument, str(error)
    if argument is None:
        return text
    flag = f"--{argument.field_info.name}"
    count, _ = argument.token_count()
    if isinstance(error, MissingArgumentError) and error.keyword is not None:
        values = "a value" if count == 1 else f"{count} values after the one flag"
        return f"{flag} takes {values}: {flag}{count * ' VALUE'}"
    return text if any(name in text for name in (flag, *argument.names, f"[{flag[2:]}]")) else f"{flag}: {text}"


def _tell(error: Exception, code: int, debug: bool, prefix: str = "") -> int:
    if debug:
        traceback.print_exc()
    line = " ".join(str(error).split()) or type(error).__name__
    print(f"onar: {prefix}{line}", file=sys.stderr)
    return code


def _version() -> str:
    from importlib.metadata import version

    return version("onar")


if __name__ == "__main__":
    main()
