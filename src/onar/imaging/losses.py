"""Messages about data of a photo that its result does not keep; the page has a translation of each."""

from __future__ import annotations

LOSSES = {
    # In reading
    "first_picture": "of its {count} pictures only the first is completed",
    "second_picture": "the second picture in the file, a preview or a depth map, is left out",
    "colour_model": "{model} becomes RGB",
    "fewer_bits": "its pixels are reduced to 8 bits",
    "integers": "its values of type {type} become integers of 16 bits",
    "clipped": "values below black or above white, {white}, are clipped",
    "channels": "of its {count} channels, those that are neither colour nor transparency are left out",
    "layers": "its layers are left out",
    "inner_pictures": "the {count} pictures below it in the file, such as smaller copies, are left out",
    "appended": "the {count} bytes that follow the picture in the file, such as a video, are left out",
    "damaged_exif": "its EXIF is damaged and left out",
    "damaged_chunks": "its damaged {names} blocks are left out",
    "no_end": "the end marker of its file is missing, but no pixels are",
    "segments": "its {names} blocks are left out",
    # In writing
    "compresses": "JPEG compresses the whole photo again, so known pixels change slightly; PNG and TIFF keep them",
    "no_bits": "{kind} holds 8 bits per channel only",
    "no_alpha": "{kind} holds no transparency",
    "no_exif": "{kind} holds no EXIF",
    "much_exif": "{kind} holds no EXIF of this size",
    "no_icc_profile": "{kind} holds no colour profile",
    "no_xmp": "{kind} holds no XMP",
    "much_xmp": "{kind} holds no XMP of this size",
    "no_iptc": "{kind} holds no IPTC",
    "much_iptc": "{kind} holds no IPTC of this size",
    "no_comment": "{kind} holds no comment",
    "no_text": "{kind} holds no PNG text",
    "no_colour": "{kind} holds no gAMA, cHRM or cICP: colours may look different",
}


class Loss(str):
    """A loss by its key in `LOSSES`, and the values in its message; as a string, the message in English.

    >>> Loss("no_bits", kind="JPEG")
    'JPEG holds 8 bits per channel only'
    """

    key: str
    values: dict[str, object]

    @property
    def is_harmless(self) -> bool:
        """Whether the result is complete all the same."""
        return self.key == "no_end"

    def __new__(cls, key: str, **values: object) -> Loss:
        """The loss of this key, with the placeholders filled in."""
        loss = super().__new__(cls, LOSSES[key].format(**values))
        loss.key, loss.values = key, values
        return loss
