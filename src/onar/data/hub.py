"""Photos from Hugging Face `datasets`: Parquet or WebDataset shards, an image folder, or a data set of the hub.

A source is written `hf:NAME[:CONFIGURATION][@SPLIT]`, or `hf:FORMAT:FILES[@SPLIT]` with a FORMAT of `FORMATS` and a
folder or pattern for FILES. Rows hold undecoded picture files; `onar.imaging.images` decodes them.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal

from onar.errors import FieldError, OnarError, UsageError, printable
from onar.imaging.formats.endings import READABLE, ending_of
from onar.imaging.images import PhotoBytes, PhotoSource
from onar.imaging.listing import files_in, split_pattern
from onar.settings.options import HUB_PREFIX
from onar.system.console import warn
from onar.system.state import quiet_loggers

FORMATS = ("imagefolder", "parquet", "webdataset")

_SHARD = "__url__"
"""The column with the WebDataset shard of a row."""


class HubPhotos:
    """The photos of a source by index, from a memory-mapped local copy made by `datasets`; raises as `load_rows`.

    Pickling stores only the arguments: another process opens the source again.
    """

    def __init__(self, data: str, column: str | None = None) -> None:
        self.data, self.column = data, column
        self._rows = load_rows(data, column)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int, /) -> PhotoSource:
        return photo_of(self._rows[index], self.data, f"row {index}")

    def __reduce__(self) -> tuple[type[HubPhotos], tuple[str, str | None]]:
        return HubPhotos, (self.data, self.column)


@dataclass(frozen=True)
class RemotePhoto:
    """A picture file referenced by a row: a member of an archive, or a file of the hub."""

    url: str

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """Read it, if necessary over the network."""
        import fsspec

        with fsspec.open(self.url, mode) as file:  # an archive is closed when this ends
            return BytesIO(file.read())

    def __str__(self) -> str:
        return self.url


def load_rows(data: str, column: str | None, *, stream: bool = False) -> Any:
    """Open a source with `datasets`; returns rows for `photo_of`.

    The column of pictures is by default the first. `stream` returns an `IterableDataset`, which copies nothing. Raises
    `OnarError` if the source cannot be read, or its text or the column is invalid (`UsageError`).
    """
    path, options = _parse(data)
    datasets = _import_datasets(data)
    with map_source_errors(data):
        rows = datasets.load_dataset(path, streaming=stream, **options)
    features = rows.features or {}
    column = column or _first_pictures(features)
    if column not in features:
        problem = f"no column {column!r}" if column else "no column of pictures"
        raise FieldError("photo_column", f"takes one of {' '.join(features)}: {data} has {problem}")
    shard = [_SHARD] if _SHARD in features else []
    return rows.cast_column(column, datasets.Image(decode=False)).select_columns([column, *shard])


def warn_unused_files(data: str) -> None:
    """Warn in one line on stderr about unused files of a folder, if its source has no explicit split.

    `datasets` infers splits as soon as a file name contains train, test or validation, such as "a train in the
    snow.jpg". All files without such a name then belong to no split.
    """
    path, options = _parse(data)
    if "data_dir" not in options or data.endswith(f"@{options['split']}"):
        return
    with map_source_errors(data):
        found = _import_datasets(data).load_dataset_builder(path, data_dir=options["data_dir"]).config.data_files
    used = {os.path.realpath(file) for file in found.get(options["split"], ())}
    endings = set(READABLE) if path == "imagefolder" else {ending_of(file) for file in used}
    folder = os.path.expanduser(data.removeprefix(f"{HUB_PREFIX}{path}:"))
    there = [file for file in files_in(Path(folder)) if ending_of(file) in endings]
    left_out = [file for file in there if os.path.realpath(file) not in used]
    if left_out:
        advice = f"; --data {printable(folder)} takes all" if path == "imagefolder" else ""
        warn(
            f"{printable(data)}: by their names, {len(there) - len(left_out)} of {len(there)} files are of the split "
            f"{options['split']}; the others are skipped, such as {printable(left_out[0])}{advice}"
        )


def _import_datasets(data: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise OnarError(f'{data} needs pip install "onar[hub]" ({error})') from error
    if sys.stderr is None or not sys.stderr.isatty():
        datasets.disable_progress_bars()
    return datasets


def photo_of(row: dict[str, Any], data: str, place: str) -> PhotoSource:
    """The photo in a row of `load_rows`; an empty file if it is missing. `place` names photos without a name.

    >>> str(photo_of({"image": {"path": None, "bytes": b"content"}}, "hf:flowers", "row 7"))
    'hf:flowers row 7'
    """
    (cell,) = (value or {} for name, value in row.items() if name != _SHARD)
    path, content = cell.get("path"), cell.get("bytes")
    if content is None and path:
        return Path(path) if os.path.exists(path) else RemotePhoto(path)
    name = f"{row[_SHARD]}/{path}" if _SHARD in row else f"{data} {place}" + (f" ({path})" if path else "")
    return PhotoBytes(name, content or b"")


@contextmanager
def map_source_errors(data: str) -> Iterator[None]:
    """Map errors of `datasets` to `OnarError` with one line, and silence its log."""
    try:
        with quiet_loggers("datasets", "huggingface_hub"):
            yield
    except OnarError:
        raise
    except Exception as error:  # of network, archives, Parquet and patterns: dozens of types
        raise OnarError(f"cannot read {data}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    from datasets.exceptions import DatasetGenerationError

    if isinstance(error, DatasetGenerationError) and error.__cause__ is not None:  # its own text has no reason
        error = error.__cause__
    reason = printable(" ".join(str(error).split()) or type(error).__name__)
    if isinstance(error, ConnectionError):
        return f"{reason}; without a network, name files: {HUB_PREFIX}FORMAT:FILES with one of {' '.join(FORMATS)}"
    return reason


def _parse(data: str) -> tuple[str, dict[str, str]]:
    """Parse the text of a source into the path and the options of `datasets.load_dataset`.

    >>> _parse("hf:flowers:large@test")
    ('flowers', {'split': 'test', 'name': 'large'})
    """
    match = re.fullmatch(rf"{HUB_PREFIX}(?:({'|'.join(FORMATS)}):)?(.+?)(?:@([^@/]+))?", data)
    if match is None:
        raise UsageError(f"{data} names no source: use {HUB_PREFIX}NAME[@SPLIT] or {HUB_PREFIX}FORMAT:FILES[@SPLIT]")
    kind, name, split = match.groups()
    options = {"split": split or "train"}
    if kind:
        files = os.path.expanduser(name)
        if "://" in files:
            return kind, {**options, "data_files": files}
        root, rest = split_pattern(files)
        is_there = os.path.exists(files)  # brackets may be part of a name
        pattern = os.path.join(glob.escape(root), glob.escape(rest) if is_there else rest)
        if not is_there and not glob.glob(pattern, recursive=True):
            raise OnarError(f"cannot read {data}: nothing matches {files}")
        return kind, {**options, "data_dir" if os.path.isdir(files) else "data_files": pattern}
    name, _, configuration = name.partition(":")
    return name, {**options, "name": configuration} if configuration else options


def _first_pictures(features: dict[str, Any]) -> str | None:
    """The first column declared as pictures, or else the first with bytes."""
    from datasets import Image

    declared = [name for name, kind in features.items() if isinstance(kind, Image)]
    binary = ("binary", "large_binary")
    plain = [
        name
        for name, kind in features.items()
        if getattr(kind, "dtype", None) in binary or (isinstance(kind, dict) and "bytes" in kind)
    ]
    return next(iter([*declared, *plain]), None)
