"""Read the metadata of a photo file, and write those that Pillow does not."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from onar.imaging.formats import exif as exif_block
from onar.imaging.formats import heif, microscopy, resolution
from onar.imaging.formats.jpeg import appended
from onar.imaging.formats.metadata import Metadata
from onar.imaging.formats.png import read_facts
from onar.imaging.formats.tiff import is_scaled
from onar.imaging.formats.xmp import upright
from onar.imaging.images import OpenPicture
from onar.imaging.losses import Loss

if TYPE_CHECKING:
    from tifffile import TiffPage

_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_PHOTOSHOP_IPTC = 0x0404
_KNOWN_SEGMENTS = ("APP0", "APP1", "APP2", "APP13", "APP14", "COM")
_KNOWN_APP2 = (b"ICC_PROFILE\0", b"MPF\0")
_PHOTOSHOP_PATHS = {*range(2000, 2998), 2999}


def read_metadata(opened: OpenPicture, width: int, height: int, profile: bytes) -> tuple[Metadata, list[Loss]]:
    """The metadata of a decoded file for the upright photo with this colour profile, and what of it cannot be kept."""
    info = opened.image.info
    exif, losses = _upright_exif(opened, width, height)
    dpi, aspect = resolution.of_picture(opened.image, exif)
    xmp = info.get("xmp") or b""
    comment = info.get("comment") or b""
    metadata = Metadata(
        exif=exif,
        icc_profile=profile,
        dpi=dpi,
        aspect=aspect,
        xmp=xmp.encode() if isinstance(xmp, str) else bytes(xmp),
        comment=comment.encode() if isinstance(comment, str) else bytes(comment),
    )
    if opened.page is not None:
        values = exif_block.read_first_directory(opened.file)[1].values
        metadata = _with_tiffs(metadata, opened.page, values)
        losses += _left_in_tiff(opened.page, values)
    elif opened.image.format == "PNG":
        facts = read_facts(opened.file)
        metadata = replace(metadata, text=facts.text, colour=facts.colour, is_srgb=facts.is_srgb)
        losses += [Loss("segments", names=", ".join(facts.others))] if facts.others else []
    elif opened.image.format in ("HEIF", "AVIF"):
        in_boxes = heif.read_facts(opened.file)
        metadata = replace(metadata, colour=in_boxes.colour, is_srgb=not in_boxes.colour)
        losses += [Loss("fewer_bits")] if in_boxes.is_deep else []
        losses += [Loss("second_picture")] if in_boxes.holds_others else []
    elif opened.image.format in ("JPEG", "MPO"):
        metadata = replace(metadata, iptc=bytes(info.get("photoshop", {}).get(_PHOTOSHOP_IPTC, b"")))
        losses += _left_segments(opened.image)
        if opened.count == 1 and (count := appended(opened.file)):  # such as a phone's video of the original photo
            losses.append(Loss("appended", count=count))
    return replace(metadata, xmp=upright(metadata.xmp)), losses


def _upright_exif(opened: OpenPicture, width: int, height: int) -> tuple[bytes, list[Loss]]:
    """The EXIF block for the upright photo; empty if there is none, or it is damaged."""
    try:
        if opened.page is not None:
            order, directory = exif_block.read_first_directory(opened.file)
            directory.values = microscopy.of_one_picture(directory.values, numbers_kept=not is_scaled(opened.page))
            block = exif_block.block_from_tiff(directory, order)
        else:
            block = exif_block.exif_of(opened.image)
        return (exif_block.upright(block, width, height), []) if block else (b"", [])
    except (ValueError, KeyError, struct.error):
        return b"", [Loss("damaged_exif")]


def _with_tiffs(metadata: Metadata, page: TiffPage, values: dict[int, exif_block.Value]) -> Metadata:
    """Add the metadata that a TIFF file stores in its tags."""
    blobs = {tag: values[tag].content for tag in (exif_block.XMP, exif_block.IPTC) if tag in values}
    dpi, aspect = resolution.of_tiff(page, values)
    return replace(
        metadata, dpi=dpi, aspect=aspect, xmp=blobs.get(exif_block.XMP, b""), iptc=blobs.get(exif_block.IPTC, b"")
    )


def _left_segments(image: Image.Image) -> list[Loss]:
    """JPEG segments without a field in `Metadata`."""
    segments = getattr(image, "applist", [])
    names = {name for name, _ in segments if name not in _KNOWN_SEGMENTS}
    if any(name == "APP2" and not content.startswith(_KNOWN_APP2) for name, content in segments):
        names.add("APP2")
    if any(name == "APP1" and content.startswith(b"http://ns.adobe.com/xmp/extension/") for name, content in segments):
        names.add("extended XMP")
    if [name for name, _ in segments].count("COM") > 1:
        names.add("earlier comment")
    if _PHOTOSHOP_PATHS & image.info.get("photoshop", {}).keys():
        names.add("Photoshop path")
    return [Loss("segments", names=", ".join(sorted(names)))] if names else []


def _left_in_tiff(page: TiffPage, values: dict[int, exif_block.Value]) -> list[Loss]:
    """SubIFDs of the first picture of a TIFF file, and blocks without a field in `Metadata`."""
    losses = [Loss("layers")] if exif_block.LAYERS in page.tags else []
    if microscopy.is_lost(values):
        losses.append(Loss("segments", names="microscopy"))
    if page.subifds:
        losses.append(Loss("inner_pictures", count=len(page.subifds)))
    resources = page.tags.valueof(exif_block.PHOTOSHOP, default=b"")
    if _PHOTOSHOP_PATHS & set(_photoshop_numbers(bytes(resources))):
        losses.append(Loss("segments", names="Photoshop path"))
    return losses


def _photoshop_numbers(resources: bytes) -> Iterator[int]:
    """The numbers of the resources in a Photoshop block."""
    at = 0
    while resources[at : at + 4] == b"8BIM" and len(resources) > at + 6:
        yield int.from_bytes(resources[at + 4 : at + 6])
        at += 6 + (resources[at + 6] + 2) // 2 * 2  # a name, padded to even length with its length byte
        size = int.from_bytes(resources[at : at + 4])
        at += 4 + size + size % 2


def jpeg_segments(metadata: Metadata) -> bytes:
    """JPEG segments for XMP, which must fit into one, and IPTC."""
    segments = _segment(0xE1, _JPEG_XMP + metadata.xmp) if metadata.xmp else b""
    if metadata.iptc:
        record = metadata.iptc + bytes(len(metadata.iptc) % 2)
        resource = b"8BIM" + struct.pack(">HHI", _PHOTOSHOP_IPTC, 0, len(metadata.iptc)) + record
        segments += _segment(0xED, b"Photoshop 3.0\0" + resource)
    return segments


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
