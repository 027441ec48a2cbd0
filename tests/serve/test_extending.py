"""Photos that are extended by the API: by completing, and by the editor's endpoints, with the same files."""

import io
from base64 import b64encode
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onar.imaging.images import PhotoBytes
from onar.imaging.photo_file import read_photo_file
from onar.masks.margins import are_margins, margins_of
from tests.completion.test_completion import run
from tests.serve.test_editing import PHOTOS, ask, asked
from tests.support.bad_requests import MASK, PHOTO
from tests.support.pictures import encode
from tests.support.server import Server

pytestmark = pytest.mark.process


def size_of(photo: bytes) -> tuple[int, int]:
    return read_photo_file(PhotoBytes("photo", photo)).size


def frame(size: tuple[int, int], margins: str) -> NDArray[np.bool_]:
    """Where an extended photo is new."""
    return margins_of(margins, *size).around(np.zeros(size, bool), 1)


def as_mask(hole: NDArray[np.bool_]) -> bytes:
    return encode(hole.astype(np.uint8) * 255)


@pytest.mark.parametrize(
    "name", ["JPEG", "JPEG on its side", "PNG of 12 in 16 bits", "grey PNG of 16 bits, in part transparent", "GIF"]
)
def test_a_filled_and_saved_frame_is_byte_for_byte_the_extended_photo(server: Server, name: str) -> None:
    photo, margins = PHOTOS[name](), "9,0,10%,21"
    mask, parts = as_mask(frame(size_of(photo), margins)), [("photo", photo)]
    filled = asked(server, "fill", [*parts, ("mask", mask)], at="0,0", extend=margins)
    saved = asked(server, "save", [*parts, ("earlier", filled.content)], earlier_at="0,0", extend=margins)
    completed = asked(server, "complete", parts, extend=margins)
    assert saved.content == completed.content
    assert ("compresses" in saved.headers.get("onar-losses", "")) == name.startswith("JPEG")
    assert ("compresses the whole photo again" in completed.headers.get("onar-notes", "")) == name.startswith("JPEG")


def test_completing_is_what_the_command_does_with_a_mask_and_without(server: Server, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(PHOTO)
    (tmp_path / "mask.png").write_bytes(MASK)
    for masks in ([], [("mask", MASK)]):
        flags = ("--mask", tmp_path / "mask.png", "--overwrite") if masks else ("--overwrite",)
        run(tmp_path / "photo.png", *flags, "--extend", "25%", "--output", tmp_path / "out.png")
        answer = asked(server, "complete", [("photo", PHOTO), *masks], extend="25%")
        assert answer.content == (tmp_path / "out.png").read_bytes()
        assert answer.headers["onar-notes"].startswith("56% of the result is new") or masks


def test_what_fills_do_not_cover_of_the_margins_is_not_known(server: Server) -> None:
    whole = frame(size_of(PHOTO), "20")
    left = whole & (np.arange(whole.shape[1]) < 20)
    fills = [
        asked(server, "fill", [("photo", PHOTO), ("mask", as_mask(hole))], at="0,0", extend="20")
        for hole in (whole, left)
    ]
    all_of_it, part = (np.asarray(Image.open(io.BytesIO(fill.content))) for fill in fills)
    assert np.array_equal(part[left], all_of_it[left])
    assert not part[~left].any()


def test_a_view_is_as_large_as_the_extended_photo_and_black_in_its_margins(server: Server) -> None:
    answer = asked(server, "view", [("photo", PHOTO)], extend="3,0,0,5")
    height, width = size_of(PHOTO)
    assert answer.headers["onar-size"] == f"{width + 3}x{height + 5}"
    part = asked(server, "view", [("photo", PHOTO)], extend="3,0,0,5", parts="0,0,3,9")
    assert not np.asarray(Image.open(io.BytesIO(part.content))).any()


def test_found_marks_and_clones_lie_on_the_extended_photo(server: Server) -> None:
    height, width = size_of(PHOTO)
    found = asked(server, "find", [("photo", PHOTO)], extend="8", what="dust")
    assert Image.open(io.BytesIO(found.content)).size == (width + 16, height + 16)
    stroke = encode(np.full((4, 4), 255, np.uint8))
    cloned = asked(server, "clone", [("photo", PHOTO), ("mask", stroke)], at="0,0", offset="8,8", extend="8")
    expected = np.asarray(Image.open(io.BytesIO(PHOTO)).convert("RGB"))[:4, :4]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(cloned.content)))[..., :3], expected)


def random_margins(rng: np.random.Generator) -> str:
    """A text of what margins are made of, and of what they are not."""
    pieces = ["0", "1", "7", "12", "999", "999999", "1e3", "%", ",", ",", "10%", ".5", "-", " ", "٣", "px", "\u2028"]
    return "".join(rng.choice(pieces, rng.integers(0, 9)))


def test_any_text_as_margins_extends_the_photo_or_is_refused_in_one_line(server: Server) -> None:
    rng, seen = np.random.default_rng(0), set[int]()
    texts = {random_margins(rng) for _ in range(120)} | {"5,0,0,0", "1,2,3,4", "100%"}
    for text in sorted(texts):
        answer = ask(server, "complete", [("photo", PHOTO)], extend=text)
        seen.add(answer.status_code)
        if answer.status_code == 200:
            assert are_margins(text)
            assert Image.open(io.BytesIO(answer.content)).size == frame(size_of(PHOTO), text).shape[::-1]
        else:
            expected = (413, "too_many_pixels") if are_margins(text) else (422, "bad_request")
            assert (answer.status_code, answer.json()["error"]) == expected
            assert "\n" not in answer.json()["message"]
            assert "extend" in answer.json()["message"]
    assert seen == {200, 413, 422}


def test_the_extended_size_has_the_limits_of_photos_and_formats(server: Server) -> None:
    for path, files in (("complete", []), ("view", []), ("save", []), ("fill", [("mask", MASK)])):
        fields = {"at": "0,0"} if files else {}
        answer = ask(server, path, [("photo", PHOTO), *files], extend="9999", **fields)
        assert (answer.status_code, answer.json()["error"]) == (413, "too_many_pixels")
        assert "extended to 20,062 x 20,046 pixels, more than 10 megapixels" in answer.json()["message"]
    wide = ask(server, "complete", [("photo", PHOTO)], extend="17000,0,0,0", format="webp")
    assert (wide.status_code, wide.json()["error"]) == (422, "bad_request")
    assert "WEBP holds up to" in wide.json()["message"]


def test_json_takes_margins_and_without_them_a_mask_is_needed(server: Server) -> None:
    photo = b64encode(PHOTO).decode()
    answers = [
        httpx.post(f"{server.url}/api/complete", json={"photo": photo, **more}, timeout=60)
        for more in ({"extend": "4"}, {"extend": "4", "mask": b64encode(MASK).decode()}, {}, {"extend": 4})
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 422, 422]
    assert answers[2].json()["message"] == "mask: Field required, or extend"
    assert "extend: " in answers[3].json()["message"]
