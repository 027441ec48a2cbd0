"""The metadata of a photo file, as stored: text is kept as bytes, because its encoding is unknown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Metadata:
    """Metadata of a photo file; missing entries are empty.

    Attributes:
        exif: EXIF block from its byte order on, for the upright photo.
        icc_profile: colour profile of the pixels.
        dpi: horizontal and vertical pixels per inch.
        aspect: horizontal and vertical pixels per unknown unit.
        xmp: XMP packet.
        iptc: IPTC record.
        comment: comment of a JPEG or GIF.
        text: complete text chunks of a PNG.
        colour: complete chunks of a PNG that define the colour space.
        is_srgb: those chunks are redundant.
    """

    exif: bytes = b""
    icc_profile: bytes = b""
    dpi: tuple[float, float] | None = None
    aspect: tuple[float, float] | None = None
    xmp: bytes = b""
    iptc: bytes = b""
    comment: bytes = b""
    text: bytes = b""
    colour: bytes = b""
    is_srgb: bool = True

    def without(self, name: str) -> Metadata:
        """A copy in which one field of bytes is empty.

        >>> Metadata(comment=b"a", xmp=b"b").without("comment").comment
        b''
        """
        emptied: dict[str, Any] = {name: b""}
        return replace(self, **emptied)


NO_METADATA = Metadata()
