"""Invalid and malicious requests, and the answers of the API: status, error and words of the message."""

import io
import struct
import zipfile
import zlib
from base64 import b64encode
from typing import Any

import numpy as np
from PIL import Image

from tests.support.pictures import a_mask, a_photo, chunk, encode

MAX_MEGABYTES, MAX_MEGAPIXELS, MAX_WHOLE_MEGAPIXELS = 2, 10, 0.01
"""Limits of the server that all this is sent to."""

PHOTO, JPEG, MASK = encode(a_photo()), encode(a_photo(), "JPEG"), a_mask()
PATH = "/api/complete"


def form(photo: bytes = PHOTO, mask: bytes = MASK, **fields: str) -> dict[str, Any]:
    files = {"photo": ("photo.png", photo), "mask": ("mask.png", mask)}
    return {"url": PATH, "files": files, "data": fields}


def as_json(**fields: object) -> dict[str, Any]:
    whole = {"photo": b64encode(PHOTO).decode(), "mask": b64encode(MASK).decode(), **fields}
    return {"url": PATH, "json": {name: value for name, value in whole.items() if value is not ...}}


def raw(content: bytes, kind: str | None) -> dict[str, Any]:
    return {"url": PATH, "content": content, "headers": {"Content-Type": kind} if kind else {}}


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header declares the given number of pixels, without pixel data."""
    return PHOTO[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + PHOTO[33:]


def png_with_text_bomb() -> bytes:
    return PHOTO[:33] + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9)) + PHOTO[33:]


def jpeg_of_size(width: int, height: int) -> bytes:
    start = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:start] + struct.pack(">HH", height, width) + JPEG[start + 4 :]


def a_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("photo.png", PHOTO)
    return file.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(a_photo(), "JPEG", exif=exif)


def multipart(*parts: str, end: str = "--x--\r\n") -> dict[str, Any]:
    body = "".join(f'--x\r\nContent-Disposition: form-data; name="{part}"; filename="a"\r\n\r\n1\r\n' for part in parts)
    return raw((body + end).encode(), "multipart/form-data; boundary=x")


def jpeg_of_empty_scans() -> bytes:
    return JPEG[:-2] + (JPEG[JPEG.index(b"\xff\xda") :][:14] + b"\0") * 2000 + JPEG[-2:]


def wide(height: int = 2, width: int = 65_520) -> dict[str, Any]:
    return form(encode(a_photo(height, width)), a_mask(height, width), format="jpeg")


NO_PICTURE = (415, "not_a_picture", "the photo: not a picture in a format Onar reads")
DAMAGED = (400, "bad_picture", "the photo: damaged")
TOO_MANY = (413, "too_many_pixels", "larger than")
REFUSED = 422, "bad_request"
CROSS_SITE = (403, "cross_site", "other sites")
OTHER_PORT = {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-site"}
OUTSIDE = "/api/docs/files/" + "..%2f" * 6 + "etc/passwd"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'

REQUESTS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    # Not pictures
    "empty photo": (form(b""), 400, "bad_picture", "the photo: the file is empty"),
    "empty mask": (form(mask=b""), 400, "bad_picture", "the mask: the file is empty"),
    "text": (form(b"Not a photo at all.\n"), *NO_PICTURE),
    "svg": (form(SVG), *NO_PICTURE),
    "html": (form(b"<!doctype html><script>alert(1)</script>"), *NO_PICTURE),
    "zip": (form(a_zip()), *NO_PICTURE),
    "pdf": (form(encode(a_photo(), "PDF")), *NO_PICTURE),
    "PostScript, which Pillow gives to Ghostscript": (form(encode(a_photo(), "EPS")), *NO_PICTURE),
    "icon": (form(encode(a_photo(), "ICO")), *NO_PICTURE),
    "noise": (form(np.random.default_rng(0).bytes(5000)), *NO_PICTURE),
    "text as mask": (form(mask=b"white"), 415, "not_a_picture", "the mask: not a picture"),
    "pickle as mask": (form(mask=b"cos\nsystem\n(S'true'\ntR."), 415, "not_a_picture", "the mask: not a picture"),
    # Damaged pictures
    "half a JPEG": (form(JPEG[: len(JPEG) // 2]), *DAMAGED),
    "half a PNG": (form(PHOTO[: len(PHOTO) // 2]), *DAMAGED),
    "start of a JPEG": (form(JPEG[:4]), *NO_PICTURE),
    "PNG with a wrong checksum": (form(PHOTO[:60] + b"????" + PHOTO[64:]), *DAMAGED),
    "PNG without pixels": (form(png_of_size(0, 0)), *NO_PICTURE),
    "PNG whose text unpacks to 100 MB": (form(png_with_text_bomb()), *DAMAGED),
    "TIFF that points outside of itself": (form(b"II*\0\xff\xff\xff\x7f"), *NO_PICTURE),
    "JPEG of 2000 empty scans": (form(jpeg_of_empty_scans()), 400, "bad_picture", "the photo: it has over 100 scans"),
    "mask of empty scans": (form(mask=jpeg_of_empty_scans()), 400, "bad_picture", "the mask: it has over 100 scans"),
    "photo too wide for a JPEG": (wide(), 422, "bad_request", "JPEG holds up to 65,500 pixels a side"),
    "half a mask": (form(mask=MASK[:50]), 400, "bad_picture", "the mask: damaged"),
    # Too large
    "PNG of 3600 megapixels": (form(png_of_size(60_000, 60_000)), *TOO_MANY),
    "PNG of 12 megapixels": (form(png_of_size(4000, 3000)), *TOO_MANY),
    "JPEG of 4290 megapixels": (form(jpeg_of_size(65_500, 65_500)), *TOO_MANY),
    "mask of 12 megapixels": (form(mask=png_of_size(4000, 3000)), 413, "too_many_pixels", "the mask: larger than 10"),
    "body of 3 MB": (
        form(bytes(3_000_000)),
        413,
        "body_too_large",
        "larger than 2 MB; the server's",
    ),
    "body of 3 MB that does not say so": (
        {"url": PATH, "content": (bytes(100_000) for _ in range(30)), "headers": {"Content-Type": "application/json"}},
        *(413, "body_too_large", "larger than 2 MB; the server's"),
    ),
    # Photo and mask
    "small mask": (form(mask=a_mask(9, 9)), 422, "sizes_differ", "mask is 9 x 9 pixels, the photo 64 x 48"),
    "mask of a turned photo": (form(turned()), 422, "sizes_differ", "turn the mask, too"),
    # Options
    "dilate below 0": (form(dilate="-1"), 422, "bad_request", "dilate: .* greater than or equal to 0"),
    "giant dilate": (form(dilate="1" + "0" * 30), 422, "bad_request", "dilate: .* less than or equal to 1000"),
    "dilate of thousands of digits": (form(dilate="9" * 9000), 422, "bad_request", "dilate: "),
    "dilate that is no number": (form(dilate="nan"), 422, "bad_request", "dilate: .* integer"),
    "fraction": (form(dilate="1.5"), 422, "bad_request", "dilate: .* integer"),
    "feather below 0": (form(feather="-3"), 422, "bad_request", "feather: .* greater"),
    "infinite feather": (form(feather="inf"), 422, "bad_request", "feather: .* integer"),
    "unknown strategy": (form(strategy="magic"), 422, "bad_request", "strategy: .* 'auto', 'whole' or 'crop'"),
    "whole for a larger photo": (
        form(encode(a_photo(200, 200)), a_mask(200, 200), strategy="whole"),
        *(422, "bad_request", "strategy whole is for photos of up to 0.01 megapixels"),
    ),
    "neither true nor false": (form(invert_mask="perhaps"), 422, "bad_request", "invert_mask: .* boolean"),
    "unknown format": (form(format="exe"), 422, "bad_request", "format: "),
    "unknown option": (form(device="/etc/passwd"), 422, "bad_request", "device: Extra inputs are not permitted"),
    "weights of another place": (form(weights="/etc/passwd"), 422, "unknown_weights", "no weights named /etc/passwd"),
    "name of an option with line breaks": (form(**{"a\r\nb: c": "1"}), 422, "bad_request", r"^a(\?\?|%0D%0A)b: c"),
    "name of an option without end": (form(**{"a" * 3000: "1"}), 422, "bad_request", "^a{100}…: Extra"),
    "option in the address": (form() | {"url": f"{PATH}?dilate=3"}, *REFUSED, "^dilate: .* no query parameters"),
    "alpha of a photo without": (
        {"url": PATH, "files": {"photo": PHOTO}, "data": {"mask": "alpha"}},
        *(422, "bad_request", "nothing is transparent in the photo, so mask alpha finds no hole"),
    ),
    # Fields
    "no photo": (multipart("mask"), 422, "bad_request", "photo: Field required"),
    "no mask": (multipart("photo"), 422, "bad_request", "mask: Field required"),
    "no field": (multipart(), 422, "bad_request", "photo: Field required"),
    "two photos": (multipart("photo", "photo"), 422, "bad_request", "photo: given more than once"),
    "three files": (multipart("photo", "mask", "mask"), 400, "malformed", "Too many files"),
    "option given twice": (form() | {"data": {"dilate": ["1", "2"]}}, *REFUSED, "dilate: given more than once"),
    "a hundred options": (form(**{f"x{i}": "1" for i in range(100)}), 400, "malformed", "Too many fields"),
    "photo as text": ({"url": PATH, "files": {"mask": MASK}, "data": {"photo": "C:\\photo.png"}}, *NO_PICTURE),
    # JSON
    "bad base64": (as_json(photo="?" * 10), 422, "bad_request", "photo: .* not base64"),
    "cut base64": (as_json(mask="abcde"), 422, "bad_request", "mask: .* not base64"),
    "data URL that is none": (as_json(photo="data:image/png;base64"), 422, "bad_request", "photo: .* a comma"),
    "data URL with bad base64": (as_json(photo="data:;base64,??"), 422, "bad_request", "photo: .* not base64"),
    "letters outside of base64": (as_json(photo="şşşş"), 422, "bad_request", "photo: .* not base64"),
    "no mask in JSON": (as_json(mask=...), 422, "bad_request", "mask: Field required"),
    "null": (as_json(photo=None), 422, "bad_request", "photo: "),
    "number as photo": (as_json(photo=7), 422, "bad_request", "photo: "),
    "text in base64": (as_json(photo=b64encode(b"text").decode()), *NO_PICTURE),
    "unknown key": (as_json(dilat=3), 422, "bad_request", "dilat: Extra inputs"),
    "list as option": (as_json(dilate=[1]), 422, "bad_request", "dilate: "),
    "JSON cut off": (raw(b'{"photo": "', "application/json"), 400, "malformed", "Invalid JSON"),
    "JSON list": (raw(b"[]", "application/json"), 422, "bad_request", ""),
    "JSON that is nested without end": (raw(b"[" * 500_000, "application/json"), 400, "malformed", "Invalid JSON"),
    "NaN in JSON": (raw(b'{"dilate": NaN}', "application/json"), 422, "bad_request", "dilate: .* finite"),
    "JSON in UTF-16": (raw('{"dilate": 1}'.encode("utf-16"), "application/json"), 400, "malformed", "Invalid JSON"),
    "empty JSON": (raw(b"", "application/json"), 400, "malformed", "Invalid JSON"),
    # Bodies
    "no content type": (raw(PHOTO, None), 415, "bad_content_type", "send multipart/form-data or application/json"),
    "image as body": (raw(PHOTO, "image/png"), 415, "bad_content_type", "not image/png"),
    "hostile content type": (raw(b"1", "a/" + "b" * 9000), 415, "bad_content_type", "not a/bbb"),
    "URL-encoded form": (
        raw(b"photo=1&mask=2", "application/x-www-form-urlencoded"),
        *(415, "bad_content_type", "not application/x-www-form-urlencoded"),
    ),
    "form without boundary": (raw(b"--x", "multipart/form-data"), 400, "malformed", "boundary"),
    "form that is none": (raw(b"what?", "multipart/form-data; boundary=x"), 400, "malformed", "cannot be read"),
    "form without names": (
        raw(b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        *(400, "malformed", "name"),
    ),
    "form that stops": (multipart("photo", "mask", end=""), 422, "bad_request", "mask: Field required"),
    "file name without end": (form() | {"files": {"photo": ("a" * 9000, PHOTO)}}, 400, "malformed", "cannot be read"),
    # Not for this
    "GET": ({"method": "GET", "url": PATH}, 405, "method_not_allowed", "Method Not Allowed"),
    "other path": ({"method": "GET", "url": "/api/nothing"}, 404, "not_found", "Not Found"),
    "path out of the served folder": (
        {"method": "GET", "url": f"/api/docs/files/{OUTSIDE}"},
        404,
        "not_found",
        "Not Fo",
    ),
    "request of another site": (form() | {"headers": {"Sec-Fetch-Site": "cross-site"}}, *CROSS_SITE),
    "another site in an old browser": (form() | {"headers": {"Origin": "http://elsewhere.example"}}, *CROSS_SITE),
    "another server on this computer": (form() | {"headers": OTHER_PORT}, *CROSS_SITE),
    "page without an origin": (form() | {"headers": {"Origin": "null"}}, *CROSS_SITE),
    "name that is not this computer's": (
        {"method": "GET", "url": "/api/health", "headers": {"Host": "onar.attacker.example"}},
        *(400, "unknown_host", "does not answer to this host name"),
    ),
}

HOSTILE_NAMES = {
    "path": "../../../../etc/cron.d/onar",
    "absolute path": "/etc/passwd",
    "Windows path": "..\\..\\windows\\system.ini",
    "device": "CON",
    "shell": "a.png; touch hacked $(touch hacked) `touch hacked`",
    "header": 'a"\r\nSet-Cookie: a=b\r\n\r\n',
    "zero byte": "a.png\0.exe",
    "right to left": "photo\u202egnp.exe",
    "no name": " ",
    "long": "a" * 1000,
}
