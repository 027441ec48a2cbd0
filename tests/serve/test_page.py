"""The page in a real browser: Debian's Chromium, driven by Playwright, in front of a real server process.

Pictures of the page are left in tests/artifacts, to be looked at.
"""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Download, Locator, Page, expect, sync_playwright

from onar.checkpoint import save_weights
from onar.models import PConvUNet
from tests.conftest import PHOTOS, REPOSITORY
from tests.serve.server import COFFEE, Server, running_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTIFACTS = REPOSITORY / "tests" / "artifacts"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PATIENCE = 60_000  # milliseconds; other tests share the machine


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for trainings, with weights of another one in it."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "small").mkdir()
    save_weights(folder / "small" / "generator_final.pth", PConvUNet(base_channels=4, depth=3))
    return folder


@pytest.fixture(scope="module")
def server(results: Path) -> Iterator[Server]:
    with running_server("--weights", "pyramid", "--weights_dir", results, "--results_dir", results) as server:
        files = Path(re.search(r'"([^"]+/onar_page_\w+)/', httpx.get(f"{server.url}/config").text)[1])
        assert files.stat().st_mode & 0o077 == 0  # for nobody else
        yield server
    assert server.process.returncode == 0
    assert not files.exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[OpenPage]:
    """Opens the page in a language; at the end, nothing may have been asked of other servers, and nothing failed."""
    expect.set_options(timeout=PATIENCE)
    addresses, errors, contexts = [], [], []

    def open_page(language: str = "en-US", scheme: str = "light", size: dict[str, int] = DESKTOP) -> Page:
        context = browser.new_context(locale=language, color_scheme=scheme, viewport=size)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: addresses.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        with page.expect_request(re.compile("queue/join")):  # from then on the page listens
            page.goto(server.url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert all(address.startswith((server.url, "data:", "blob:")) for address in addresses)


# ---------------------------------------------------------------- what people do


def choose_photo(page: Page, photo: Path) -> None:
    page.locator("#photo input[type=file]").set_input_files(photo)
    width, height = Image.open(photo).size
    expect(page.locator("#status")).to_contain_text(f"{width} × {height}")


def choose_mask(page: Page, mask: Path) -> None:
    page.locator("#mask input[type=file]").set_input_files(mask)
    wait_for_editor(page, painted=True)


def paint(page: Page, left: float = 0.45, right: float = 0.55, height: float = 0.5) -> None:
    """Draw a line over the unpainted photo, from a share of the canvas to another one."""
    wait_for_editor(page, painted=False)
    box = page.locator("#editor canvas").first.bounding_box()
    down = box["y"] + height * box["height"]
    page.mouse.move(box["x"] + left * box["width"], down)
    page.mouse.down()
    page.mouse.move(box["x"] + right * box["width"], down, steps=5)
    page.mouse.up()
    wait_for_editor(page, painted=True)


def wait_for_editor(page: Page, painted: bool) -> None:
    """Wait until the canvas shows a photo, with or without paint on it."""
    canvas = page.locator("#editor canvas").first
    canvas.scroll_into_view_if_needed()
    give_up = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < give_up:
        shown = np.asarray(Image.open(BytesIO(canvas.screenshot())).convert("RGB")).astype(int)
        height, width = shown.shape[:2]
        middle = shown[height // 3 : -height // 3, 2 * width // 5 : -2 * width // 5]
        red, green, blue = np.moveaxis(middle, -1, 0)
        paint = (red > 150) & (red - green > 80) & (blue > green)  # no photo here has this colour
        if np.ptp(middle, axis=2).mean() > 5 and (paint.sum() > 50) == painted:
            return
    keep_picture(page, "failed")
    pytest.fail(f"the editor shows no photo {'with' if painted else 'without'} paint")


def editor_tool(page: Page, name: str) -> Locator:
    return page.locator("#editor").get_by_role("button", name=name, exact=True)


def fill(page: Page) -> None:
    page.get_by_role("button", name=re.compile("Fill the holes|Boşlukları doldur")).click()
    expect(page.locator("#status")).to_contain_text(re.compile("Filled|dolduruldu"))
    expect(page.locator("#before_after img").first).to_be_visible()


def download(page: Page, name: str, folder: Path) -> Path:
    with page.expect_download() as started:
        page.get_by_role("button", name=name).click()
    file: Download = started.value
    file.save_as(folder / file.suggested_filename)
    return folder / file.suggested_filename


def pixels(file: Path) -> NDArray[np.generic]:
    return np.asarray(Image.open(file))


def keep_picture(page: Page, name: str) -> None:
    """Leave a picture of the page, which must fit its width."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


# ---------------------------------------------------------------- without a browser


@pytest.mark.parametrize(
    "path", ["/etc/passwd", REPOSITORY / "pyproject.toml", "http://example.com", "https://[::1]/a"]
)
def test_no_file_but_the_page_s_own_is_served(server: Server, path: object) -> None:
    assert httpx.get(f"{server.url}/gradio_api/file={path}").status_code == 403


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
