"""Types of options that several commands share, and how the command line reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge
from cyclopts import Parameter

from onar.errors import FieldError, UsageError
from onar.system.devices import check_device

Side = Annotated[int, Ge(8)]
"""Height or width in pixels."""
ImageSize = Side | tuple[Side, Side]
Precision = Literal["no", "bf16", "fp16"]

ContentNetwork = Literal["vgg16", "efficientnet_lite0"]
"""Feature networks by name; `NAME_features` of `onar.metrics.feature_networks` builds each."""

HUB_PREFIX = "hf:"
"""Prefix of a Hugging Face source."""

PhotoData = str | Path | tuple[Path, ...]
"""Photos as the user names them: a Hugging Face source, or folders, photos and file lists."""


def photo_data(value: str | Path | Sequence[str | Path]) -> PhotoData:
    """Parse the names of photos: folders become paths, a Hugging Face source stays text.

    >>> photo_data("hf:cifar10"), photo_data(["photos"])
    ('hf:cifar10', PosixPath('photos'))

    Raises:
        UsageError: a name is empty, such as an unset shell variable, or one of several names is a source.
    """
    places = [value] if isinstance(value, str | Path) else list(value)
    if not places or "" in places:
        raise UsageError(f"the photos' folder is empty text: name a folder, or a source ({HUB_PREFIX}...)")
    if len(places) == 1:
        (place,) = places
        return place if isinstance(place, str) and place.startswith(HUB_PREFIX) else Path(place)
    sources = [place for place in places if str(place).startswith(HUB_PREFIX)]
    if sources:
        raise UsageError(f"{sources[0]} cannot be joined with others: name one source, or several folders and lists")
    return tuple(Path(place) for place in places)


PhotosOption = Annotated[
    str | Path | tuple[Path, ...],
    Parameter(
        converter=lambda _type, tokens: photo_data([token.value for token in tokens]),
        n_tokens=1,
        consume_multiple=(1, None),
    ),
]


def _parse_size(_type: object, tokens: Any) -> ImageSize:
    """Read ``512``, ``256x512`` (height x width), or TOML's ``[256, 512]``."""
    try:
        numbers = [int(part) for token in tokens for part in token.value.lower().split("x")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    given = " ".join(token.value for token in tokens)
    raise FieldError("img_size", f"takes one number or HEIGHTxWIDTH, such as 256x512, not {given!r}")


SizeOption = Annotated[ImageSize, Parameter(converter=_parse_size, n_tokens=1)]

DeviceOption = Annotated[str, Parameter(converter=lambda _type, tokens: check_device(tokens[0].value))]
