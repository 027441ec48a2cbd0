"""The files written for a photo, its result and the pictures beside it, and which of them exist already."""

from __future__ import annotations

import filecmp
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.completion.config import CompletionConfig
from onar.completion.plan import Job
from onar.errors import OnarError, printable
from onar.imaging.images import map_photo_errors
from onar.imaging.levels import as_8_bits
from onar.imaging.losses import Loss
from onar.imaging.matching import is_same_file
from onar.imaging.photo_file import Photo, count_pictures, read_photo_file, write_photo_file
from onar.imaging.sheets import TINT, as_rgb, picture_grid, tint
from onar.imaging.writing import write_image
from onar.inference.photos import MaskedPhoto, all_losses, compressed_again
from onar.masks.holes import Holes
from onar.system.files import replacing

COMPARED_SIZE, SMALL_SIZE = 1024, 240
_MAX_JPEG_DIFFERENCE = 8.0
"""Mean difference of known pixels, in levels of 255, that JPEG compression explains; other photos differ far more."""


@dataclass(frozen=True)
class Work:
    """A photo between reading and writing; `filled` is the result, `was_there` if it had been written before.

    `times` are access and modification times of the photo's file in nanoseconds, where they are to be kept; `before` is
    a small picture of the photo with its holes in red, where one is asked for; `seconds` is the time that filling took;
    `made_of` is as of a job, where a report is asked for.
    """

    job: Job
    masked: MaskedPhoto
    times: tuple[int, int] | None = None
    filled: Photo | None = None
    was_there: bool = False
    made_of: str = ""
    before: NDArray[np.uint8] | None = None
    seconds: float = 0.0


# ---------------------------------------------------------------- existing files


def read_result(work: Work, pixel_limit: int) -> Photo:
    """Read a result that was written before: whole, and of this photo with this hole.

    Its known pixels must be the photo's, and it must not be the photo itself. The fill is not compared. Raises
    `OnarError` with the reason if the file is something else.
    """
    photo, hole, output = work.masked.photo, work.masked.hole, work.job.output
    if work.job.made_of and work.made_of != work.job.made_of:
        raise OnarError("by the report, it was made of another photo or mask, or with other settings")
    result = read_photo_file(output, pixel_limit)
    if result.size != hole.shape:
        raise OnarError(f"it is {result.pixels.shape[1]} x {result.pixels.shape[0]} pixels")
    if result.kind != work.masked.kind:
        raise OnarError(f"it is a file of {result.kind}")
    one, other = (as_rgb(as_8_bits(each.pixels)) for each in (photo, result))
    changed = cv2.absdiff(one, other)[~hole]
    if changed.size and changed.mean() > (_MAX_JPEG_DIFFERENCE if result.kind == "JPEG" else 0):
        raise OnarError("its known pixels are not the photo's")
    source = work.job.photo
    if hole.any() and isinstance(source, Path) and filecmp.cmp(source, output, shallow=False):
        raise OnarError("it is the photo, with its holes unfilled")
    return result


def refuse_to_lose(work: Work, config: CompletionConfig) -> None:
    """Raise `OnarError` when a result would replace a file that holds more: the photo itself, or other pictures."""
    masked, output = work.masked, work.job.output
    lost: list[str]
    if output.exists() and is_same_file(work.job.photo, output):
        losses = [] if masked.is_unchanged else all_losses(masked.photo, masked.kind)
        lost = [loss for loss in losses if not loss.is_harmless]
    else:
        lost = _other_pictures(output, masked.photo.count if masked.is_unchanged else 1)
    pictures = {output: lost} | {beside: _other_pictures(beside, 1) for beside in _pictures_beside(work.job, config)}
    for target, reasons in pictures.items():
        if reasons:
            raise OnarError(
                f"{printable(target)} would be replaced by less than it holds ({'; '.join(reasons)}): choose another "
                "--output"
            )


def _other_pictures(target: Path, kept: int) -> list[str]:
    """The number of pictures in a file, in words, if it exceeds those that are kept."""
    count = count_pictures(target) if target.exists() else 0
    return [f"it holds {count} pictures"] if count > kept else []


def _pictures_beside(job: Job, config: CompletionConfig) -> list[Path]:
    return [job.beside(word) for word in ("overlay", "compare") if getattr(config, word)]


# ---------------------------------------------------------------- writing


def write_result(work: Work, config: CompletionConfig, overwrite: bool) -> list[str]:
    """Write the requested files that do not exist yet; returns notes for the user.

    Raises `OnarError` if a file cannot be written, or exists.
    """
    masked, losses = work.masked, list[Loss]()
    if masked.is_unchanged and not work.was_there:
        _copy(work, overwrite)
    elif not work.was_there:
        written = write_photo_file(work.job.output, work.filled or masked.photo, overwrite=overwrite)
        losses = compressed_again(written)
    _write_beside(work, config, overwrite)
    return [*masked.notes, *losses, *(_set_times(work) if config.keep_times else [])]


def _copy(work: Work, overwrite: bool) -> None:
    """Copy a photo byte for byte, unless its result is its own file."""
    source, output = work.job.photo, work.job.output
    if not (output.exists() and is_same_file(source, output)):
        with map_photo_errors(source):
            file = source.open("rb")  # before anything is written: it may be gone by now
        with file, replacing(output, overwrite=overwrite) as temporary, temporary.open("wb") as copy:
            shutil.copyfileobj(file, copy)


def _write_beside(work: Work, config: CompletionConfig, overwrite: bool) -> None:
    """Write the requested overlay and comparison; with `resume`, only those that are missing."""
    photo, hole = work.masked.photo, work.masked.hole
    for target in _pictures_beside(work.job, config):
        if config.resume and target.exists() and (work.was_there or not overwrite):
            continue
        if target == work.job.beside("overlay"):
            picture = tint(photo.in_8_bits, hole)
        else:
            picture = _side_by_side(photo.in_8_bits, hole, (work.filled or photo).in_8_bits)
        write_image(target, picture, overwrite=overwrite)


def _set_times(work: Work) -> list[str]:
    """Give the result the times of the photo's file; returns the reason if that fails."""
    if work.times is None:
        return ["it came through a pipe, and has no times to keep"]
    try:
        os.utime(work.job.output, ns=work.times)
    except OSError as error:  # some file systems refuse it
        return [f"the times of its file cannot be kept: {error.strerror}"]
    return []


def _side_by_side(photo: NDArray[np.uint8], hole: Holes, completed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A sheet of the photo with white holes and the completed photo, reduced to at most `COMPARED_SIZE` each."""
    masked = as_rgb(photo)
    masked[hole] = 255
    return picture_grid([[_reduce(masked), _reduce(as_rgb(completed))]])


def small_picture(photo: NDArray[np.uint8], hole: Holes | None = None) -> NDArray[np.uint8]:
    """RGB uint8 H×W×3 of a photo, H×W or H×W×3, at most `SMALL_SIZE` a side; holes of any size are red in it."""
    small = as_rgb(_reduce(photo, SMALL_SIZE))
    if hole is not None and hole.any():
        shares = Image.fromarray(hole).convert("L").resize(small.shape[1::-1], Image.Resampling.BOX)
        small[np.asarray(shares) > 0] = TINT
    return small


def _reduce(picture: NDArray[np.uint8], size: int = COMPARED_SIZE) -> NDArray[np.uint8]:
    image = Image.fromarray(picture)
    image.thumbnail((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(image)
