"""XMP packets, which describe a photo in XML, edited where they depend on its orientation."""

from __future__ import annotations

import re

_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>\s*))[1-8]")
_THUMBNAILS = re.compile(rb"<(xmp|xap):Thumbnails\b")
_THEIR_ENDS = {name: re.compile(rb"</" + name + rb":Thumbnails\s*>") for name in (b"xmp", b"xap")}


def upright(packet: bytes) -> bytes:
    """A packet for the upright photo, without thumbnails, which show the original.

    >>> upright(b'<x tiff:Orientation="6"/>')
    b'<x tiff:Orientation="1"/>'
    """
    return _without_thumbnails(set_orientation(packet, 1))


def set_orientation(packet: bytes, orientation: int) -> bytes:
    """A packet with this orientation, 1 to 8, where it names one."""
    return _ORIENTATION.sub(rb"\g<1>%d" % orientation, packet)


def _without_thumbnails(packet: bytes) -> bytes:
    """Remove thumbnails in one pass, also if thousands begin and none ends."""
    kept, at, endless = [], 0, set[bytes]()
    for begin in _THUMBNAILS.finditer(packet):
        if begin.start() < at or begin[1] in endless:
            continue
        end = _THEIR_ENDS[begin[1]].search(packet, begin.end())
        if end is None:
            endless.add(begin[1])
            continue
        kept.append(packet[at : begin.start()])
        at = end.end()
    return b"".join((*kept, packet[at:]))
