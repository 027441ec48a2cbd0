"""EXIF blocks, edited in place: unknown data is kept byte for byte.

EXIF is a small TIFF file: directories of tags, some of which point to another directory. Text is kept as bytes,
because many programs write it in UTF-8 though the standard says ASCII. Types, fractions and maker notes, whose
pointers are relative to the beginning of the block, are kept as well. Sources: TIFF 6.0 and Exif 2.32.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from onar.errors import OnarError

ORIENTATION, WIDTH, HEIGHT, XMP, IPTC, PHOTOSHOP = 274, 256, 257, 700, 33723, 34377
RESOLUTION = X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
LAYERS = 37724
"""Photoshop's layers in a TIFF file, which show the original photo."""
_EXIF, _GPS, _INTEROPERABILITY, _EXIF_WIDTH, _EXIF_HEIGHT = 34665, 34853, 40965, 40962, 40963
_THUMBNAILS = ((513, 514), (273, 279))
"""Tags for offset and length of thumbnails: JPEG, and uncompressed."""
LAYOUT = frozenset(
    (
        *(254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 280, 281, 282, 283, 284, 292, 293, 296, 301),
        *(317, 318, 319, 320, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 400, 512, 513, 514, 529, 530, 531),
        *(532, XMP, IPTC, PHOTOSHOP, 34675, LAYERS),
    )
)
"""Tags of a TIFF file that describe its pixel layout, and blocks other than EXIF."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Type -> bytes per value."""
_BYTE, _LONG, _UNDEFINED = 1, 4, 7


class DamagedTagsError(OnarError):
    """Tags that are refused; the message is the reason."""


class _Form(NamedTuple):
    """`struct` formats: byte order, number of tags, tag, offset; and the bytes of a value stored inside a tag."""

    order: str
    number: str
    tag: str
    offset: str
    inside: int


_FORMS = {
    b"II*\0": _Form("<", "<H", "<HHII", "<I", 4),
    b"MM\0*": _Form(">", ">H", ">HHII", ">I", 4),
    b"II+\0": _Form("<", "<Q", "<HHQQ", "<Q", 8),
    b"MM\0+": _Form(">", ">Q", ">HHQQ", ">Q", 8),
}
"""By the first four bytes; the last two are BigTIFF, which is never written."""

_NUMBERS = {1: "B", 3: "H", 4: "I"}
PREFIX = b"Exif\0\0"
"""Prefix of a block in a JPEG file, and in `info` of Pillow."""
_MAX_GROWTH = 4
"""Maximum size of all values together, as a multiple of the file; above 1 only if they overlap."""
_FREE_GROWTH = 1 << 16
"""Bytes allowed in any case: damage is harmless in a small block."""
_MAX_DIRECTORIES = 1000


class Value(NamedTuple):
    """The value of a tag: type, number of items, bytes, and their offset in the file."""

    type: int
    items: int
    content: bytes
    position: int = 0


@dataclass
class Directory:
    """Tags with their values, and the directories that tags point to; `following` is the offset of the next one."""

    values: dict[int, Value] = field(default_factory=dict)
    below: dict[int, Directory] = field(default_factory=dict)
    following: int = 0


def undefined(content: bytes) -> Value:
    """A value of type UNDEFINED."""
    return Value(_UNDEFINED, len(content), content)


def some_bytes(content: bytes) -> Value:
    """A value of type BYTE."""
    return Value(_BYTE, len(content), content)


def long_numbers(order: str, numbers: int | Sequence[int]) -> Value:
    """A value of type LONG: one or several numbers of up to 32 bits."""
    several = (numbers,) if isinstance(numbers, int) else tuple(numbers)
    return Value(_LONG, len(several), struct.pack(f"{order}{len(several)}I", *several))


# ---------------------------------------------------------------- reading


def read_first_directory(file: BinaryIO) -> tuple[str, Directory]:
    """Read the first directory of a TIFF file or EXIF block, with those below it; values outside the file are dropped.

    Returns `<` or `>` for the byte order, and the directory. Raises `ValueError` or `struct.error` if there is none.
    """
    file.seek(0)
    form = _FORMS.get(file.read(4))
    if form is None:
        raise ValueError("neither byte order")
    file.seek(4 if form.inside == 4 else 8)
    (at,) = struct.unpack(form.offset, file.read(form.inside))
    return form.order, _read_directory(file, form, at, (_EXIF, _GPS))


def _read_directory(file: BinaryIO, form: _Form, at: int, pointers: tuple[int, ...] = ()) -> Directory:
    """Read the directory at an offset; `pointers` are the tags that point to others."""
    size = file.seek(0, io.SEEK_END)
    file.seek(at)
    (count,) = struct.unpack(form.number, file.read(struct.calcsize(form.number)))
    first, step = file.tell(), struct.calcsize(form.tag)
    entries = file.read(min(step * count, size))
    following = file.read(form.inside).ljust(form.inside, b"\0")
    directory = Directory(following=struct.unpack(form.offset, following)[0])
    total = 0
    for number, (tag, kind, items, offset) in enumerate(struct.iter_unpack(form.tag, entries)):
        length = _SIZES.get(kind, 0) * items
        position = first + step * (number + 1) - form.inside if length <= form.inside else offset
        total += length
        if not length or position + length > size or total > 2 * size:  # bounds the memory of a small file
            continue
        file.seek(position)
        content = file.read(length)
        if tag in pointers and tag not in directory.below:
            place = int.from_bytes(content, "little" if form.order == "<" else "big")
            with suppress(struct.error):  # a pointer to nowhere
                directory.below[tag] = _read_directory(file, form, place, (_INTEROPERABILITY,) * (tag == _EXIF))
        elif tag not in pointers:
            directory.values[tag] = Value(kind, items, content, position)
    return directory


def check_values(file: BinaryIO, start: int = 0) -> None:
    """Raise `DamagedTagsError` if overlapping values of the first directory would exhaust the memory.

    Other libraries read each value separately: 300 kB would become 6 GB. `start` is the offset of the TIFF file or EXIF
    block in the file.
    """
    size = file.seek(0, io.SEEK_END) - start
    file.seek(start)
    form = _FORMS.get(file.read(4))
    if form is None:
        return
    file.seek(start + (4 if form.inside == 4 else 8))
    waiting, seen, total = [_unpacked(file, form.offset)], set[int](), 0
    while waiting:
        at = waiting.pop()
        if at in seen or not 0 < at < size:
            continue
        seen.add(at)
        file.seek(start + at)
        length, others = _asked_for(file, form, size)
        total += length
        waiting += others
        if total > _MAX_GROWTH * size + _FREE_GROWTH or len(seen) > _MAX_DIRECTORIES:
            raise DamagedTagsError("its tags are damaged: their values overlap and come to many times its size")


def _asked_for(file: BinaryIO, form: _Form, size: int) -> tuple[int, list[int]]:
    """Total bytes of the values of the directory at the file's position, and the offsets of those it points to."""
    offset = np.dtype(form.order + ("u4" if form.inside == 4 else "u8"))
    layout = np.dtype([("tag", form.order + "u2"), ("type", form.order + "u2"), ("items", offset), ("value", offset)])
    content = file.read(layout.itemsize * _unpacked(file, form.number))
    entries = np.frombuffer(content[: len(content) // layout.itemsize * layout.itemsize], layout)
    sizes = np.zeros(1 << 16)
    sizes[list(_SIZES)] = list(_SIZES.values())
    lengths = np.minimum(sizes[entries["type"]] * entries["items"], size)  # floats do not overflow
    pointing = np.isin(entries["tag"], (_EXIF, _GPS, _INTEROPERABILITY))
    return int(lengths.sum()), sorted({int(place) for place in entries["value"][pointing]})


def _unpacked(file: BinaryIO, form: str) -> int:
    """The next number of a file; 0 at the end."""
    content = file.read(struct.calcsize(form))
    return int(struct.unpack(form, content)[0]) if len(content) == struct.calcsize(form) else 0


# ---------------------------------------------------------------- writing


def directory_bytes(directory: Directory, order: str, at: int) -> bytes:
    """Serialise a directory and those below it, to be stored at the even offset `at`."""
    tags = sorted({*directory.values, *directory.below})
    start = at + 2 + 12 * len(tags) + 4
    entries, contents = struct.pack(f"{order}H", len(tags)), bytearray()
    for tag in tags:
        place = start + len(contents)
        if tag in directory.below:
            entries += struct.pack(f"{order}HHII", tag, _LONG, 1, place)
            contents += directory_bytes(directory.below[tag], order, place)
        else:
            value = directory.values[tag]
            entries += struct.pack(f"{order}HHI", tag, value.type, value.items)
            if len(value.content) <= 4:
                entries += value.content.ljust(4, b"\0")
            else:
                entries += struct.pack(f"{order}I", place)
                contents += value.content
        contents += bytes(len(contents) % 2)
    return entries + bytes(4) + bytes(contents)


def tiff_header(order: str, at: int) -> bytes:
    r"""The header of a TIFF file or EXIF block whose first directory is at the given offset.

    >>> tiff_header("<", 8)
    b'II*\x00\x08\x00\x00\x00'
    """
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at)


def block_from_tiff(directory: Directory, order: str) -> bytes:
    """The tags of a TIFF file except its pixel layout, as an EXIF block; empty if there are none."""
    values = {tag: value for tag, value in directory.values.items() if tag not in LAYOUT}
    if not values and not directory.below:
        return b""
    return tiff_header(order, 8) + directory_bytes(Directory(values, directory.below), order, 8)


def add_to_tiff(file: BinaryIO, block: bytes, more: dict[int, Value], leave_out: Collection[int] = ()) -> None:
    """Add the tags of an EXIF block, which may be empty, and others to a TIFF file of the same byte order.

    A new directory is appended to the file, without the tags `leave_out`; existing tags take precedence.
    """
    order, own = read_first_directory(file)
    own.values = {tag: value for tag, value in own.values.items() if tag not in leave_out}
    values, below = {}, {}
    if block:
        _, added = read_first_directory(io.BytesIO(block))
        values = {tag: value for tag, value in added.values.items() if tag not in LAYOUT}
        below = added.below
    end = file.seek(0, io.SEEK_END)
    at = end + end % 2
    file.write(bytes(at - end) + directory_bytes(Directory({**values, **more, **own.values}, below), order, at))
    file.seek(0)
    file.write(tiff_header(order, at))
    file.seek(0, io.SEEK_END)


def exif_of(image: Image.Image) -> bytes:
    """The EXIF block of a picture opened by Pillow; empty if there is none."""
    block = bytes(image.info.get("exif") or b"")
    if not block and "Raw profile type exif" in image.info:  # as ImageMagick writes it into a PNG
        block = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
    return without_prefix(block)


# ---------------------------------------------------------------- setting upright


def without_prefix(block: bytes) -> bytes:
    r"""An EXIF block without the prefix of some files.

    >>> without_prefix(b"Exif\0\0II*\0")
    b'II*\x00'
    """
    return block.removeprefix(PREFIX)


def upright(block: bytes, width: int, height: int) -> bytes:
    """Edit an EXIF block for the upright photo: orientation 1, its size, and no thumbnail, which shows the original.

    All other data keeps its place. Raises `ValueError` or `struct.error` if the block is damaged.
    """
    return set_orientation(block, width, height, 1)


def set_orientation(block: bytes, width: int, height: int, orientation: int) -> bytes:
    """As `upright`, with another orientation, 1 to 8, and the size of the picture as it is stored."""
    order, directory = read_first_directory(io.BytesIO(block))
    details = directory.below.get(_EXIF, Directory()).values
    changed = bytearray(block)
    _set_number(changed, order, directory.values.get(ORIENTATION), orientation)
    for tags, names in ((directory.values, (WIDTH, HEIGHT)), (details, (_EXIF_WIDTH, _EXIF_HEIGHT))):
        _set_number(changed, order, tags.get(names[0]), width)
        _set_number(changed, order, tags.get(names[1]), height)
    return _without_thumbnail(changed, order, directory.following)


def _set_number(block: bytearray, order: str, value: Value | None, number: int) -> None:
    if value is None or value.type not in _NUMBERS:
        return
    packed = struct.pack(f"{order}{_NUMBERS[value.type]}", min(number, 256 ** _SIZES[value.type] - 1))
    block[value.position : value.position + len(packed)] = packed


def _without_thumbnail(block: bytearray, order: str, at: int) -> bytes:
    """Remove the directory that follows the first, and zero the thumbnail that it points to."""
    if not at:
        return bytes(block)
    values = _read_directory(io.BytesIO(block), _FORMS[bytes(block[:4])], at).values
    for place, length in _THUMBNAILS:
        if place in values and length in values:
            start = _number(values[place], order)
            end = min(start + _number(values[length], order), len(block))
            block[start:end] = bytes(max(0, end - start))
    (first,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, first)
    struct.pack_into(f"{order}I", block, first + 2 + 12 * count, 0)
    return bytes(block)


def _number(value: Value, order: str) -> int:
    number: int = struct.unpack_from(f"{order}{_NUMBERS[value.type]}", value.content)[0]
    return number
