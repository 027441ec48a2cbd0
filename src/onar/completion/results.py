"""What is written for a photo, its result and the pictures beside it, and what of that is there already."""

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
from onar.imaging.formats.endings import FORMATS, ending_of
from onar.imaging.images import map_photo_errors
from onar.imaging.levels import as_8_bits
from onar.imaging.matching import is_same_file
from onar.imaging.photo_file import Photo, count_pictures, read_photo_file, reduced, write_photo_file
from onar.imaging.sheets import picture_grid
from onar.imaging.writing import write_image
from onar.masks.holes import Holes
from onar.system.files import replacing

TINT = (255, 0, 0)
COMPARED_SIZE = 1024
_MOST_BY_COMPRESSION = 8.0
"""Mean levels of 255 by which JPEG may change known pixels; other photos differ by several times as much."""


@dataclass(frozen=True)
class Work:
    """A photo between two stations.

    Attributes:
        job: what to do with it.
        photo: as read.
        hole: H×W, what is to be filled.
        questions: what a person should be asked about the mask.
        times: when the photo's file was read and changed last, in nanoseconds; None when nobody asks for them.
        filled: the result, when there is one.
        was_there: the result had been written before.
    """

    job: Job
    photo: Photo
    hole: Holes
    questions: list[str]
    times: tuple[int, int] | None = None
    filled: Photo | None = None
    was_there: bool = False

    @property
    def is_copied(self) -> bool:
        """Whether the photo has no holes and stays in its format, so that its file is copied."""
        kind = "JPEG" if self.photo.kind == "MPO" else self.photo.kind
        return not self.hole.any() and kind == self.written_kind

    @property
    def written_kind(self) -> str:
        """The format of the result, as Pillow names it."""
        return FORMATS[ending_of(self.job.output.name)]


# ---------------------------------------------------------------- what is there


def read_result(work: Work, pixel_limit: int) -> Photo:
    """Read a result that was written before: whole, and of this photo with this hole.

    Its known pixels must be the photo's, and it must not be the photo itself. How its holes were filled is not asked.

    Raises:
        OnarError: what is there is something else; the message is the reason.
    """
    output, hole = work.job.output, work.hole
    done = read_photo_file(output, pixel_limit)
    if done.size != hole.shape:
        raise OnarError(f"it is {done.pixels.shape[1]} x {done.pixels.shape[0]} pixels")
    if done.kind != work.written_kind:
        raise OnarError(f"it is a file of {done.kind}")
    one, other = (_as_rgb(as_8_bits(photo.pixels)) for photo in (work.photo, done))
    changed = cv2.absdiff(one, other)[~hole]
    if changed.size and changed.mean() > (_MOST_BY_COMPRESSION if done.kind == "JPEG" else 0):
        raise OnarError("its known pixels are not the photo's")
    photo = work.job.photo
    if hole.any() and isinstance(photo, Path) and filecmp.cmp(photo, output, shallow=False):
        raise OnarError("it is the photo, with its holes unfilled")
    return done


def refuse_to_lose(work: Work, config: CompletionConfig) -> None:
    """Raise `OnarError` when a result would replace a file that holds more: the photo itself, or other pictures."""
    output = work.job.output
    lost: list[str]
    if output.exists() and is_same_file(work.job.photo, output):
        told = [loss for loss in work.photo.losses if not loss.is_harmless]
        lost = [] if work.is_copied else [*told, *reduced(work.photo, work.written_kind)[1]]
    else:
        lost = _other_pictures(output, work.photo.count if work.is_copied else 1)
    pictures = {output: lost} | {beside: _other_pictures(beside, 1) for beside in _pictures_beside(work.job, config)}
    for target, losses in pictures.items():
        if losses:
            reason = "; ".join(losses)
            raise OnarError(
                f"{printable(target)} would be replaced by less than it holds ({reason}): choose another --output"
            )


def _other_pictures(target: Path, kept: int) -> list[str]:
    """What a file holds, in words, if that is more pictures than are kept."""
    count = count_pictures(target) if target.exists() else 0
    return [f"it holds {count} pictures"] if count > kept else []


def _pictures_beside(job: Job, config: CompletionConfig) -> list[Path]:
    return [job.beside(word) for word in ("overlay", "compare") if getattr(config, word)]


# ---------------------------------------------------------------- writing


def write_result(work: Work, config: CompletionConfig, overwrite: bool) -> list[str]:
    """Write what is asked for and not there yet.

    Args:
        work: completed, or without a hole.
        config: what else is asked for.
        overwrite: replace files that are there.

    Returns:
        Notes for a person.

    Raises:
        OnarError: a file cannot be written, or is there.
    """
    notes = [*work.questions, *work.photo.losses]
    if work.was_there:
        notes += reduced(work.photo, work.written_kind)[1]
    elif work.is_copied:
        notes = [*work.questions]
        _copy(work, overwrite)
    else:
        notes += write_photo_file(work.job.output, work.filled or work.photo, overwrite=overwrite)
    _write_beside(work, config, overwrite)
    if config.keep_times:
        notes += _set_times(work)
    return notes


def _copy(work: Work, overwrite: bool) -> None:
    """Copy a photo byte for byte, unless its result is its own file."""
    source, output = work.job.photo, work.job.output
    if not (output.exists() and is_same_file(source, output)):
        with map_photo_errors(source):
            file = source.open("rb")  # before anything is written: it may be gone by now
        with file, replacing(output, overwrite=overwrite) as temporary, temporary.open("wb") as copy:
            shutil.copyfileobj(file, copy)


def _write_beside(work: Work, config: CompletionConfig, overwrite: bool) -> None:
    """Write overlay and comparison where they are asked for, but not again when a folder is gone on with."""
    for target in _pictures_beside(work.job, config):
        if config.resume and target.exists() and (work.was_there or not overwrite):
            continue
        photo, filled = work.photo.in_8_bits, (work.filled or work.photo).in_8_bits
        is_overlay = target == work.job.beside("overlay")
        picture = _tint(photo, work.hole) if is_overlay else _side_by_side(photo, work.hole, filled)
        write_image(target, picture, overwrite=overwrite)


def _set_times(work: Work) -> list[str]:
    """Give the result the times of the photo's file; returns why that cannot be done."""
    if work.times is None:
        return ["it came through a pipe, and has no times to keep"]
    try:
        os.utime(work.job.output, ns=work.times)
    except OSError as error:  # some file systems refuse it
        return [f"the times of its file cannot be kept: {error.strerror}"]
    return []


def _tint(photo: NDArray[np.uint8], hole: Holes) -> NDArray[np.uint8]:
    """RGB uint8 H×W×3 of the photo, half red in its holes."""
    tinted = _as_rgb(photo)
    tinted[hole] = tinted[hole] // 2 + np.array(TINT, np.uint8) // 2
    return tinted


def _side_by_side(photo: NDArray[np.uint8], hole: Holes, completed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A sheet of the photo with white holes and the completed photo, reduced to at most `COMPARED_SIZE` each."""
    masked = _as_rgb(photo)
    masked[hole] = 255
    return picture_grid([[_reduce(masked), _reduce(_as_rgb(completed))]])


def _as_rgb(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(photo[..., None], 3, axis=2) if photo.ndim == 2 else photo.copy()


def _reduce(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(picture)
    image.thumbnail((COMPARED_SIZE, COMPARED_SIZE), Image.Resampling.LANCZOS)
    return np.asarray(image)
