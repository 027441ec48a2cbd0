"""The page in a real browser: Debian's Chromium, driven by Playwright, in front of a real server process.

Pictures of the page are left in tests/artifacts, to be looked at.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from onar.checkpoint import save_weights
from onar.models import PConvUNet
from tests.conftest import PHOTOS, REPOSITORY
from tests.serve import browser as browsing
from tests.serve.browser import (
    DESKTOP,
    choose_mask,
    choose_photo,
    download,
    editor_tool,
    fill,
    keep_picture,
    paint,
    pixels,
    running_browser,
    wait_for_editor,
)
from tests.serve.server import COFFEE, Server, running_server

NAME = "photos.example.org"
MOST_MEGABYTES = 40
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for trainings, with weights of another one in it."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "small").mkdir()
    save_weights(folder / "small" / "generator_final.pth", PConvUNet(base_channels=4, depth=3))
    return folder


@pytest.fixture(scope="module")
def server(results: Path) -> Iterator[Server]:
    flags = ("--weights", "pyramid", "--weights_dir", results, "--results_dir", results, "--allowed_hosts", NAME)
    limits = ("--max_page_megabytes", MOST_MEGABYTES, "--max_body_megabytes", 20)
    with running_server(*flags, *limits) as server:
        files = Path(re.search(r'"([^"]+/onar_page_\w+)/', httpx.get(f"{server.url}/config").text)[1])
        assert files.stat().st_mode & 0o077 == 0  # for nobody else
        yield server
    assert server.process.returncode == 0
    assert not files.exists()


OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[OpenPage]:
    """Opens the page in a language; at the end, nothing may have been asked of other servers, and nothing failed."""
    addresses, errors, contexts = [], [], []

    def open_page(language: str = "en-US", scheme: str = "light", size: dict[str, int] = DESKTOP) -> Page:
        context = browser.new_context(locale=language, color_scheme=scheme, viewport=size)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: addresses.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        browsing.open_page(page, server.url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert all(address.startswith((server.url, "data:", "blob:")) for address in addresses)


# ---------------------------------------------------------------- without a browser


@pytest.mark.parametrize(
    "path", ["/etc/passwd", REPOSITORY / "pyproject.toml", "http://example.com", "https://[::1]/a"]
)
def test_no_file_but_the_page_s_own_is_served(server: Server, path: object) -> None:
    assert httpx.get(f"{server.url}/gradio_api/file={path}").status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/nothing", 404, "not_found"),
        ("POST", "/api", 404, "not_found"),
        ("GET", "/api/complete", 405, "method_not_allowed"),
        ("DELETE", "/api/model", 405, "method_not_allowed"),
        ("POST", "/metrics", 405, "method_not_allowed"),
        ("POST", "/api/complete", 415, "bad_content_type"),
        ("POST", "/", 405, "method_not_allowed"),
        ("GET", "/gradio_api/file=/etc/passwd", 403, "forbidden"),
        ("GET", "/gradio_api/file=http://example.com", 403, "forbidden"),
        ("POST", "/gradio_api/queue/join", 422, "bad_request"),
        ("POST", "/gradio_api/upload", 400, "bad_request"),
    ],
)
def test_errors_are_the_documented_json_with_the_page_on_too(
    server: Server, method: str, path: str, status: int, error: str
) -> None:
    answer = httpx.request(method, server.url + path, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "message"}


@pytest.mark.parametrize("path", ["/api/health", "/api/model", "/metrics", "/api/docs", "/api/openapi.json", "/"])
def test_head_is_answered_like_get_without_the_content(server: Server, path: str) -> None:
    answer = httpx.head(server.url + path, timeout=60)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == httpx.get(server.url + path, timeout=60).headers["content-type"]


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_no_other_site_may_read_the_page_whatever_the_name_of_the_server(server: Server, method: str) -> None:
    headers = {"Host": NAME, "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    answer = httpx.request(method, f"{server.url}/config", headers=headers, timeout=60)
    assert answer.status_code == 200
    assert not any(name.startswith("access-control-") for name in answer.headers)


def test_files_uploaded_to_the_page_take_no_more_of_the_disk_than_allowed(server: Server) -> None:
    def upload(name: bytes, size: int, count: int = 1) -> httpx.Response:
        files = [("files", (f"{number}.png", name * size)) for number in range(count)]
        return httpx.post(f"{server.url}/gradio_api/upload", files=files, timeout=60)

    folder = Path(re.search(r'"([^"]+/onar_page_\w+)/', httpx.get(f"{server.url}/config").text)[1])
    examples = used_bytes(folder)
    paths = [Path(upload(name, 9_000_000).json()[0]) for name in (b"a", b"b", b"c", b"d", b"e", b"f", b"g")]
    assert used_bytes(folder) - examples <= MOST_MEGABYTES * 1_000_000
    assert [path.exists() for path in paths] == [False] * 3 + [True] * 4  # the newest
    too_large = upload(b"h", 9_000_000, count=3)
    assert (too_large.status_code, too_large.json()["error"]) == (413, "body_too_large")
    assert used_bytes(folder) - examples <= MOST_MEGABYTES * 1_000_000


def used_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_page_has_no_endpoints_for_programs(server: Server) -> None:
    endpoints = httpx.get(f"{server.url}/gradio_api/info").json()
    assert endpoints == {"named_endpoints": {}, "unnamed_endpoints": {}}


# ---------------------------------------------------------------- with one


@pytest.mark.parametrize(
    ("language", "tabs", "button"),
    [
        ("en-US", ["Complete", "Watch training", "Masks"], "Drop File Here"),
        ("tr-TR", ["Tamamla", "Eğitimi izle", "Maskeler"], "Dosyayı buraya sürükle"),
    ],
)
def test_the_page_speaks_the_language_of_the_browser(
    open_page: OpenPage, language: str, tabs: list[str], button: str
) -> None:
    page = open_page(language)
    expect(page.get_by_role("tab")).to_have_text(tabs)
    expect(page.get_by_text(button).first).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == language[:2]


def test_painted_pixels_are_filled_and_all_others_stay(open_page: OpenPage, tmp_path: Path) -> None:
    photo = tmp_path / "large photo.png"
    profile = b"a colour profile"
    large = Image.open(COFFEE).resize((1500, 1000))
    large.putalpha(200)
    large.save(photo, icc_profile=profile)
    page = open_page()
    choose_photo(page, photo)
    paint(page)
    fill(page)
    keep_picture(page, "complete_en_light")
    result = download(page, "Download the photo", tmp_path)
    hole = pixels(download(page, "Download the mask", tmp_path)) == 255
    before, after = pixels(photo), pixels(result)
    assert result.name == "large photo_completed.png"
    assert after.shape == before.shape
    assert Image.open(result).info["icc_profile"] == profile
    assert np.array_equal(after[~hole], before[~hole])
    assert 0.001 < hole.mean() < 0.2
    assert hole[500, 750]
    assert (after[hole] != before[hole]).any(axis=1).mean() > 0.9


def test_painting_goes_on_on_the_result(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("tr-TR", "dark")
    choose_photo(page, COFFEE)
    paint(page, height=0.4)
    fill(page)
    first = pixels(download(page, "Maskeyi indir", tmp_path)) == 255
    page.get_by_role("button", name="Bunun üstünde").click()
    expect(page.locator("#before_after")).to_be_hidden()
    paint(page, height=0.62)
    fill(page)
    keep_picture(page, "complete_tr_dark")
    second = pixels(download(page, "Maskeyi indir", tmp_path)) == 255
    result = download(page, "Fotoğrafı indir", tmp_path)
    assert not (first & second).any()
    assert Image.open(result).format == "JPEG"
    assert Image.open(result).quantization == Image.open(COFFEE).quantization
    changed = np.abs(pixels(result).astype(int) - pixels(COFFEE)).max(axis=2)
    # A JPEG compresses anew; blocks without a hole hardly change by that.
    assert np.median(changed[~(first | second)]) <= 1
    assert min(np.median(changed[first]), np.median(changed[second])) > 5


def test_a_mask_file_is_met_to_the_pixel_and_can_be_inverted(open_page: OpenPage, tmp_path: Path) -> None:
    mask = np.zeros((1100, 1600), np.uint8)
    mask[300:800, 450:1150] = 255
    mask[100:101] = mask[120:124:2] = 255  # thinner than a pixel of the view
    Image.fromarray(mask).save(tmp_path / "thin.png")
    Image.open(COFFEE).resize((1600, 1100)).save(tmp_path / "photo.webp", lossless=True)
    page = open_page()
    choose_photo(page, tmp_path / "photo.webp")
    choose_mask(page, tmp_path / "thin.png")
    fill(page)
    assert np.array_equal(pixels(download(page, "Download the mask", tmp_path)), mask)
    result = download(page, "Download the photo", tmp_path)
    assert Image.open(result).format == "WEBP"
    assert np.array_equal(pixels(result)[mask == 0], pixels(tmp_path / "photo.webp")[mask == 0])
    page.get_by_role("button", name="Invert").click()
    expect(page.locator("#status")).to_contain_text("is marked")
    wait_for_editor(page, painted=False)  # in its middle
    fill(page)
    expect(page.locator("#status")).to_contain_text("press Invert")
    inverted = pixels(download(page, "Download the mask", tmp_path))
    assert np.array_equal(inverted, 255 - mask)


def test_what_is_undone_or_cleared_is_not_filled(open_page: OpenPage) -> None:
    page = open_page("tr-TR")
    choose_photo(page, COFFEE)
    paint(page)
    editor_tool(page, "Geri Al").click()
    wait_for_editor(page, painted=False)
    page.get_by_role("button", name="Boşlukları doldur").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Hiçbir yer işaretli değil")
    page.get_by_test_id("toast-close").click()
    paint(page)
    editor_tool(page, "Tuvali temizle").click()
    wait_for_editor(page, painted=False)
    page.get_by_role("button", name="Boşlukları doldur").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Hiçbir yer işaretli değil")
    paint(page)  # the photo is still there
    fill(page)


def test_what_is_wrong_with_a_file_is_said_in_words(open_page: OpenPage, tmp_path: Path) -> None:
    hostile = tmp_path / "<img src=x onerror=throw(1)>.png"
    shutil.copy(COFFEE, hostile)
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (30, 20)).save(tmp_path / "small.png")
    page = open_page("tr-TR", size=PHONE)
    page.locator("#photo input[type=file]").set_input_files(tmp_path / "text.png")
    expect(page.get_by_test_id("toast-body")).to_contain_text("bozuk ya da resim değil")
    page.get_by_test_id("toast-close").click()
    page.get_by_label("Temizle").first.click()
    choose_photo(page, hostile)
    page.locator("#mask input[type=file]").set_input_files(tmp_path / "small.png")
    expect(page.get_by_test_id("toast-body")).to_contain_text("Maske 30 × 20, fotoğraf 480 × 320 piksel")
    keep_picture(page, "problem_tr_phone")


def test_the_keyboard_is_enough(open_page: OpenPage, tmp_path: Path) -> None:
    mask = np.zeros((320, 569), np.uint8)
    mask[100:150, 200:300] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    page = open_page()
    page.on("filechooser", lambda chooser: None)  # now, because listening takes a while to begin

    def go_to(control: Locator) -> None:
        expect(control).to_be_visible()
        for _ in range(60):
            if control.evaluate("control => control === document.activeElement"):
                return
            page.keyboard.press("Tab")
        pytest.fail(f"Tab does not reach {control}")

    go_to(page.get_by_label("Thumbnail 2 of"))
    page.keyboard.press("Enter")
    wait_for_editor(page, painted=False)
    go_to(page.locator("#mask button").first)
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(tmp_path / "mask.png")
    wait_for_editor(page, painted=True)
    go_to(page.get_by_role("button", name="Fill the holes"))
    page.keyboard.press("Enter")
    go_to(page.get_by_role("button", name="Download the mask"))
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    assert np.array_equal(pixels(started.value.path()), mask)


def test_other_weights_in_the_folder_can_be_chosen(open_page: OpenPage) -> None:
    page = open_page("tr-TR", size=PHONE)
    choose_photo(page, COFFEE)
    page.locator("#weights input").click()
    names = ["pyramid", "small/generator_final.pth", "bundled"]
    expect(page.get_by_role("option")).to_have_text([re.compile(name) for name in names])
    page.get_by_role("option", name="small/generator_final.pth").click()
    paint(page)
    fill(page)
    keep_picture(page, "complete_tr_phone")


def test_a_training_is_watched_while_it_runs_and_when_it_is_over(open_page: OpenPage, results: Path) -> None:
    page = open_page(scheme="dark")
    page.get_by_role("tab", name="Watch training").click()
    expect(page.locator("#training_status")).to_contain_text("No training to watch")
    settings = {"img_size": 32, "depth": 3, "base_channels": 4, "discriminator_channels": 4, "batch_size": 4}
    settings |= {"lambda_content": 0, "num_workers": 0, "log_every": 1, "val_share": 0.2, "epochs": 3}
    flags = [str(part) for name, value in settings.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-m", "onar", "train", "--data", PHOTOS, "--results_dir", results / "run", *flags]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as training:
        expect(page.locator("#training_status")).to_contain_text(re.compile("Epoch [123] of 3"))
        expect(page.locator("#run input")).to_have_value(str(results / "run"))
        assert training.wait(timeout=120) == 0
    expect(page.locator("#training_status")).to_contain_text("Epoch 3 of 3")
    expect(page.locator("#training_status")).to_contain_text("finished")
    expect(page.locator(".plots").first).to_contain_text("D_loss")
    expect(page.locator(".plots").last).to_contain_text("pyramid")
    slider = page.locator("#epoch input[type=range]")
    expect(slider).to_have_value("3")
    newest = page.locator("#samples img").get_attribute("src")
    slider.press("ArrowLeft")
    expect(page.locator("#samples img")).not_to_have_attribute("src", newest)
    keep_picture(page, "watch_en_dark")


def test_masks_follow_their_settings(open_page: OpenPage) -> None:
    page = open_page("tr-TR")
    page.get_by_role("tab", name="Maskeler").click()
    sheet, flags = page.locator("#mask_sheet img"), page.locator("#flags textarea")
    expect(flags).to_have_value("--mask_type irregular --max_masks 3 --max_size_ratio 0.3 --max_thickness 20")
    shown = [sheet.get_attribute("src")]

    def expect_another_sheet() -> None:
        expect(sheet).not_to_have_attribute("src", shown[-1])
        shown.append(sheet.get_attribute("src"))

    page.get_by_label("rectangle").check()
    expect_another_sheet()
    page.get_by_role("button", name="Başka bir çizim").click()
    expect_another_sheet()
    page.get_by_label("Boşlukları fotoğraftaki payıyla seç").check()
    expect_another_sheet()
    expect(flags).to_have_value(re.compile("--mask_type rectangle --hole_ratio 0.1 0.3"))
    assert len(set(shown)) == 4
    keep_picture(page, "masks_tr_light")
