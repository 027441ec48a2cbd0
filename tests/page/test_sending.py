"""Over a slow network: a photo is seen at once and sent once, and the server lets it go with the page."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import Visit
from tests.page.test_strip import go, open_all
from tests.support.browser import (
    PATIENCE,
    button,
    canvas,
    choose_photo,
    choose_tool,
    drag,
    draw,
    fill,
    keep_picture,
    let_draw,
    on_page,
    open_options,
    open_page,
    pixels,
    save_photo,
    shown,
)
from tests.support.pictures import COFFEE
from tests.support.server import Server, needs_page, running_server

pytestmark = needs_page

RECORD = """() => {
    window.sent = [];
    const note = (address, form) => window.sent.push([address, form.has("photo"), form.has("photo_id")]);
    const { fetch } = window;
    window.fetch = (address, request) => {
        if (request?.body instanceof FormData) note(address, request.body);
        return fetch(address, request);
    };
    const { open, send } = XMLHttpRequest.prototype;
    XMLHttpRequest.prototype.open = function (method, address) {
        this.address = address;
        return open.call(this, method, address);
    };
    XMLHttpRequest.prototype.send = function (form) {
        note(this.address, form);
        return send.call(this, form);
    };
}"""
SENT, BY_ID = [True, False], [False, True]


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server("--weights", "pyramid") as server:
        yield server


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A photo that takes a while to be sent."""
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)).save(path)
    return path


def kept_bytes(server: Server) -> float:
    return server.measure("onar_kept_bytes")


def test_a_photo_is_seen_while_it_is_sent_and_how_much_has_been_sent(visit: Visit, served: str, noise: Path) -> None:
    page = visit(served)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 150_000}
    session.send("Network.emulateNetworkConditions", slow)
    page.get_by_label("Open a photo").set_input_files(noise)
    expect(page.get_by_role("img", name="noise.png")).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("Sending the photo")
    page.wait_for_function("document.querySelector('progress')?.value > 0", timeout=PATIENCE)
    keep_picture(page, "sending")
    expect(canvas(page)).to_be_focused()
    expect(page.get_by_role("img", name="noise.png")).to_have_count(0)


@pytest.mark.process
def test_a_photo_is_sent_once_and_let_go_with_its_page(visit: Visit, server: Server, noise: Path) -> None:
    page = visit(f"{server.url}/")
    page.evaluate(RECORD)
    choose_photo(page, noise)
    assert kept_bytes(server) == noise.stat().st_size
    for left in (50, 200):
        drag(page, (left, 100), (left + 60, 140))
        fill(page)
    save_photo(page, noise.parent)
    sent = [kinds for address, *kinds in page.evaluate("window.sent") if address != "api/mask"]
    assert sent[0] == SENT
    assert all(kinds == BY_ID for kinds in sent[1:]), sent
    choose_photo(page, COFFEE)
    assert kept_bytes(server) == COFFEE.stat().st_size
    page.close()
    while kept_bytes(server) > 0:
        pass


@pytest.mark.process
def test_going_back_to_a_photo_of_the_strip_sends_it_no_second_time(
    visit: Visit, server: Server, photos: list[Path]
) -> None:
    page = visit(f"{server.url}/")
    page.evaluate(RECORD)
    open_all(page, photos[:2])
    for key, name in (("PageDown", "two.png"), ("PageUp", "one.png"), ("PageDown", "two.png")):
        go(page, key, name)
    assert [kinds for _, *kinds in page.evaluate("window.sent")] == [SENT, SENT, BY_ID, BY_ID]
    assert kept_bytes(server) == sum(photo.stat().st_size for photo in photos[:2])
    button(page, "Leave two.png out").click()
    expect(canvas(page)).to_have_accessible_name(re.compile("one.png"))
    while kept_bytes(server) > photos[0].stat().st_size:
        pass


@pytest.mark.process
def test_a_photo_that_the_server_has_let_go_is_sent_again(visit: Visit, server: Server, noise: Path) -> None:
    page = visit(f"{server.url}/")
    page.evaluate(RECORD)
    with page.expect_response("**/api/view") as opened:
        choose_photo(page, noise)
    httpx.delete(f"{server.url}/api/photos/{opened.value.header_value('onar-photo')}")
    assert kept_bytes(server) == 0
    drag(page, (50, 100), (110, 140))
    fill(page)
    fills = [kinds for address, *kinds in page.evaluate("window.sent") if address == "api/fill"]
    assert fills == [BY_ID, SENT]
    assert kept_bytes(server) == noise.stat().st_size


def test_an_example_that_comes_late_does_not_replace_a_photo_that_was_opened_meanwhile(
    visit: Visit, served: str, photo: Path
) -> None:
    page = visit(served)
    waiting: list[Route] = []
    page.route("**/examples/skimage_chelsea.jpg", lambda route: waiting.append(route))
    with page.expect_request("**/examples/skimage_chelsea.jpg"):
        button(page, "Example: skimage chelsea").evaluate("button => button.click()")
    choose_photo(page, photo)
    for route in waiting:
        route.continue_()
    page.unroute("**/examples/skimage_chelsea.jpg")
    drag(page, (100, 80), (180, 120))
    fill(page)
    expect(canvas(page)).to_have_accessible_name(re.compile("coffee.png"))


# ---------------------------------------------------------------- what is seen and said


def colours_at(page: Page, points: list[tuple[int, int]]) -> list[list[int]]:
    """Pixels of the drawn photo at given points: red, green, blue and opacity."""
    places = [on_page(page, *point) for point in points]
    box = canvas(page).bounding_box()
    return page.evaluate(
        """([places, box]) => {
            const canvas = document.querySelector("[role=application] canvas");
            const ratio = canvas.width / box.width;
            const read = (x, y) => canvas.getContext("2d").getImageData((x - box.x) * ratio, (y - box.y) * ratio, 1, 1);
            return places.map(([x, y]) => [...read(x, y).data]);
        }""",
        [places, box],
    )


@pytest.mark.parametrize("place", ["served", "hosted"])
def test_squares_are_seen_where_a_photo_is_transparent(
    visit: Visit, place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    photo = Image.new("RGBA", (400, 300), (200, 30, 30, 255))
    photo.paste((0, 0, 0, 0), (200, 0, 400, 300))
    photo.save(tmp_path / "half.png")
    page = visit(request.getfixturevalue(place))
    choose_photo(page, tmp_path / "half.png")
    shown(page, 0)
    opaque, *transparent = colours_at(page, [(100, 150), *((250 + 3 * step, 151) for step in range(12))])
    assert opaque == [200, 30, 30, 255]
    assert {tuple(colour) for colour in transparent} >= {(255, 255, 255, 255), (204, 204, 204, 255)}


@pytest.mark.parametrize("place", ["served", "hosted"])
def test_a_fill_of_translucent_pixels_says_that_their_transparency_stays(
    visit: Visit, place: str, photo: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    alpha = np.full((240, 360), 255, np.uint8)
    alpha[:, 200:] = 90
    Image.fromarray(np.dstack([pixels(photo)[..., :3], alpha])).save(tmp_path / "half.png")
    page = visit(request.getfixturevalue(place))
    choose_photo(page, tmp_path / "half.png")
    for left, is_said in ((50, False), (250, True)):
        draw(page, (left, 100), (left + 40, 110))
        fill(page)
        status = page.get_by_role("status").first
        expect(status).to_contain_text("Filled in")
        assert ("Transparency stays as it was" in status.inner_text()) is is_said
    saved = pixels(save_photo(page, tmp_path))
    assert np.array_equal(saved[..., 3], alpha)
    assert (saved[100:110, 255:285, :3] != pixels(photo)[100:110, 255:285, :3]).any()


@pytest.mark.parametrize("place", ["served", "hosted"])
def test_that_jpeg_changes_known_pixels_is_said_before_and_after_it_is_saved(
    visit: Visit, place: str, photo: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page = visit(request.getfixturevalue(place))
    expect(page.get_by_text("only JPEG may be recompressed")).to_be_visible()
    choose_photo(page, photo)
    open_options(page)
    said = page.get_by_role("complementary").get_by_text("JPEG recompresses the whole photo")
    expect(said).to_have_count(0)
    page.get_by_label("File format").select_option("jpeg")
    expect(said).to_be_visible()
    save_photo(page, tmp_path)
    expect(page.get_by_role("status").first).to_contain_text(
        re.compile("compresses the whole photo again|is recompressed")
    )
    page.get_by_label("Another photo").set_input_files(COFFEE)
    expect(canvas(page)).to_have_accessible_name(re.compile("coffee.jpg"))
    expect(said).to_have_count(0)  # the blocks of a JPEG are kept


def test_a_message_with_a_long_name_can_be_closed_on_a_phone(visit: Visit, served: str, photo: Path) -> None:
    long = photo.with_name(f"{'IMG_20240312_123456789_a_very_long_name' * 5}.png")
    long.write_bytes(photo.read_bytes())
    page = visit(served, viewport={"width": 320, "height": 568}, has_touch=True, is_mobile=True)
    choose_photo(page, long)
    close = button(page, "Close")
    box = close.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 320
    close.click()
    expect(close).to_have_count(0)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("unknown_weights", "Bu ağırlıklar artık yok"),
        ("unauthorized", "Sunucu bu sayfayı reddediyor"),
        ("a_new_word", "Sunucu bunu kabul etmedi (a_new_word)."),
    ],
)
def test_what_the_server_refuses_is_said_in_the_page_s_language_alone(
    visit: Visit, served: str, photo: Path, error: str, said: str
) -> None:
    page = visit(served, locale="tr-TR")
    choose_photo(page, photo)
    choose_tool(page, "Dikdörtgen")
    drag(page, (100, 80), (180, 120))
    body = {"error": error, "message": "a reason in English"}
    page.route("**/api/fill", lambda route: route.fulfill(status=422, json=body))
    button(page, "Fill", "Doldur").click()
    expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.get_by_role("alert")).not_to_contain_text("English")


def test_a_page_without_its_server_says_so_in_its_language(visit: Visit, served: str) -> None:
    page = visit(served, locale="tr-TR")
    page.route("**/onar.json", lambda route: route.abort())
    page.goto(served)
    expect(page.get_by_text("Sayfa yüklenemedi. Sunucunun çalıştığından emin olup")).to_be_visible()
    page.unroute("**/onar.json")
    open_page(page, served)
    let_draw(page)
