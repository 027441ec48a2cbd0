"""The folder of `onar export --format web`, in a real browser: it fills as Python does, and nothing leaves it."""

import base64
import gzip
import json
import select
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, expect

from onar import Inpainter, OnarError, UsageError
from onar.export.verb import export
from onar.export.web import GENERATOR
from onar.weights.bundled import bundled_page
from tests.imaging.test_jpeg_blocks import KINDS, assert_others_kept
from tests.support.browser import PATIENCE
from tests.support.pictures import COFFEE, encode
from tests.support.runs import refusal
from tests.support.static_host import hosting

pytestmark = pytest.mark.skipif(not (bundled_page() / "worker.js").is_file(), reason="needs the built page")

ASK_WORKER = Path(__file__).with_name("ask_worker.js")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
MAX_BYTES = 40_000_000
EXIF_ORIENTATION, EXIF_DESCRIPTION, EXIF_WIDTH = 274, 270, 40962


@pytest.fixture(scope="module")
def page(browser: Browser, bundled_site: Path) -> Iterator[Page]:
    """The exported page, with a worker, on a host that calls nearly everything just bytes."""
    with hosting(bundled_site) as (address, _):
        yield open_site(browser, address)


def open_site(browser: Browser, address: str) -> Page:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    start_worker(page)
    return page


def start_worker(page: Page) -> None:
    page.evaluate(f"(() => {{ {ASK_WORKER.read_text()} }})()")
    page.evaluate("startWorker()")


def as_text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def open_file(page: Page, name: str, content: bytes) -> Any:
    return page.evaluate("([name, content]) => openFile(name, content)", [name, as_text(content)])


def fill(page: Page, hole: NDArray[np.bool_], texture: str = "network") -> NDArray[np.uint8]:
    """The fill of the page in a photo of that size: H×W×4."""
    height, width = hole.shape
    rect = {"left": 0, "top": 0, "width": width, "height": height}
    mask = as_text((255 * hole).astype(np.uint8).tobytes())
    answer = page.evaluate("([rect, mask, texture]) => fillHole(rect, mask, texture)", [rect, mask, texture])
    first, *shares = answer["shares"]
    assert (first, shares[-1]) == (None, 1)
    assert shares == sorted(shares)
    return np.frombuffer(base64.b64decode(answer["pixels"]), np.uint8).reshape(height, width, 4)


def holes_of(photo: Image.Image) -> NDArray[np.bool_]:
    """A deep hole, a small one and a scratch."""
    hole = np.zeros((photo.height, photo.width), bool)
    hole[60:130, 90:180] = hole[150:160, 20:30] = hole[170:173, 5:150] = True
    return hole


# ---------------------------------------------------------------- in the browser
@pytest.mark.parametrize("texture", ["network", "patches"])
def test_the_page_fills_as_python_does(page: Page, texture: str) -> None:
    photo = Image.open(COFFEE).convert("RGB").crop((0, 0, 320, 240))
    hole = holes_of(photo)
    assert open_file(page, "coffee.png", encode(photo)) == {"width": 320, "height": 240, "notes": []}
    filled = fill(page, hole, texture)
    expected = Inpainter.load()(np.asarray(photo), hole, texture=texture)
    assert ((filled[..., 3] == 255) == hole).all()
    assert np.abs(filled[..., :3].astype(int) - expected)[hole].max() <= 2


def test_a_hole_deeper_than_the_network_sees_is_filled_as_python_does(page: Page) -> None:
    photo = Image.open(COFFEE).convert("RGB").crop((0, 0, 320, 240))
    hole = np.zeros((240, 320), bool)
    hole[:, :220] = True
    open_file(page, "coffee.png", encode(photo))
    filled = fill(page, hole)
    expected = Inpainter.load()(np.asarray(photo), hole, texture="network")
    assert np.abs(filled[..., :3].astype(int) - expected)[hole].max() <= 2


def test_what_is_transparent_is_neither_seen_nor_filled(page: Page) -> None:
    photo = Image.open(COFFEE).convert("RGB").crop((0, 0, 320, 240))
    hole, alpha = holes_of(photo), np.full((240, 320), 255, np.uint8)
    alpha[40:100, 150:300] = 0
    photo.putalpha(Image.fromarray(alpha))
    open_file(page, "coffee.png", encode(photo))
    filled = fill(page, hole)
    expected = np.asarray(Inpainter.load()(photo, (255 * hole).astype(np.uint8), texture="network"))
    assert ((filled[..., 3] == 255) == hole & (alpha == 255)).all()
    assert np.abs(filled.astype(int) - expected)[filled[..., 3] == 255].max() <= 2


@pytest.mark.parametrize("kind", ["4:2:0", "4:2:2", "progressive", "restarts"])
def test_a_saved_jpeg_keeps_what_its_file_said_and_all_blocks_that_no_fill_touches(
    page: Page, kind: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION], exif[EXIF_DESCRIPTION] = 6, "a cup"
    exif.get_ifd(0x8769)[EXIF_WIDTH] = 480
    stored = BytesIO()
    Image.open(COFFEE).save(stored, "JPEG", quality=95, exif=exif, comment=b"stirred", **KINDS[kind])
    upright = ImageOps.exif_transpose(Image.open(stored)).convert("RGB")
    assert open_file(page, "coffee.jpg", stored.getvalue())["width"] == upright.width == 320
    hole = holes_of(upright)
    filled = fill(page, hole)
    saved = page.evaluate("saveAs('same')")
    assert saved["ending"] == ".jpg"
    assert saved["notes"] == ["browser_loses_metadata"]  # the comment
    content = base64.b64decode(saved["content"])
    result = Image.open(BytesIO(content))
    assert (result.size, result.getexif()[EXIF_ORIENTATION]) == (upright.size[::-1], 6)
    assert (result.getexif()[EXIF_DESCRIPTION], result.getexif().get_ifd(0x8769)[EXIF_WIDTH]) == ("a cup", 480)
    shown = np.asarray(ImageOps.exif_transpose(result).convert("RGB"))
    assert np.abs(shown[hole].astype(int) - filled[hole][:, :3]).mean() < 4
    assert_others_kept(stored.getvalue(), content, np.rot90(hole), tmp_path, coded_alike=False)


def test_a_saved_png_has_the_same_known_pixels_and_the_filled_ones(page: Page) -> None:
    photo = Image.open(COFFEE).convert("RGB").crop((0, 0, 320, 240))
    open_file(page, "coffee.png", encode(photo))
    filled = fill(page, holes_of(photo))
    saved = page.evaluate("saveAs('same')")
    assert (saved["ending"], saved["notes"]) == (".png", [])
    result = np.asarray(Image.open(BytesIO(base64.b64decode(saved["content"]))).convert("RGB"))
    assert (result == np.where(filled[..., 3:] == 255, filled[..., :3], np.asarray(photo))).all()


@pytest.mark.parametrize("stored", ["L", "RGB", "RGBA"])
def test_a_grey_photo_is_filled_with_grey(page: Page, stored: str) -> None:
    photo = Image.open(COFFEE).convert("L").crop((0, 0, 320, 240)).convert(stored)
    hole = holes_of(photo)
    open_file(page, "coffee.png", encode(photo))
    filled = fill(page, hole)
    expected = np.asarray(Inpainter.load()(photo, (255 * hole).astype(np.uint8), texture="network"))
    assert (filled[hole][:, :3] == filled[hole][:, :1]).all()
    brightness = expected if stored == "L" else expected[..., 0]
    assert np.abs(filled[..., 0].astype(int) - brightness)[hole].max() <= 2


def test_a_file_that_is_no_picture_is_refused(page: Page) -> None:
    with pytest.raises(Exception, match="browser_unreadable"):
        open_file(page, "notes.png", b"what I think of coffee")


def test_browsers_keep_the_page_from_asking_another_host(page: Page) -> None:
    blocked = page.evaluate(
        """new Promise((resolve) => {
            document.addEventListener("securitypolicyviolation", ({ blockedURI }) => resolve(blockedURI));
            fetch("https://example.org/", { mode: "no-cors" }).catch(() => {});
        })"""
    )
    assert blocked.startswith("https://example.org")


def test_threads_come_with_the_headers(browser: Browser, small_site: Path, page: Page) -> None:
    assert not page.evaluate("crossOriginIsolated")
    with hosting(small_site, "isolated") as (address, _):
        isolated = open_site(browser, address)
        assert isolated.evaluate("crossOriginIsolated")
        said: list[str] = []
        isolated.on("console", lambda message: said.append(message.text))
        open_file(isolated, "coffee.jpg", COFFEE.read_bytes())
        fill(isolated, holes_of(Image.open(COFFEE)))
        cores = isolated.evaluate("navigator.hardwareConcurrency")
    assert f"Onar: networks run on the processor, {min(cores, 8)} threads" in said


def test_after_the_first_visit_the_page_needs_no_network_and_never_another_host(
    browser: Browser, small_site: Path
) -> None:
    context, asked = browser.new_context(), []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    with hosting(small_site, "scripts") as (address, _):
        page.goto(address)
        page.evaluate("navigator.serviceWorker.ready")
    page.goto(address)  # the host is gone
    assert page.evaluate("crossOriginIsolated"), "the service worker gives the headers"
    start_worker(page)
    open_file(page, "coffee.jpg", COFFEE.read_bytes())
    hole = holes_of(Image.open(COFFEE))
    assert ((fill(page, hole, "patches")[..., 3] == 255) == hole).all()
    assert asked
    assert all(url.startswith((address, "blob:")) for url in asked)


FILLED_IN_FIREFOX = """<!doctype html><meta charset="utf-8"><script>
{script}
(async () => {{
    const send = (result) => fetch("result", {{ method: "POST", body: JSON.stringify(result) }});
    try {{
        await startWorker();
        await openFile("photo.png", "{photo}");
        const {{ pixels }} = await fillHole({{ left: 0, top: 0, width: 320, height: 240 }}, "{mask}", "patches");
        await send({{ pixels, threads: crossOriginIsolated }});
    }} catch (error) {{
        await send({{ error: String(error) }});
    }}
}})();
</script>"""
"""No driver for the Firefox of a distribution is needed where the page itself reports the result."""


@pytest.mark.process
@pytest.mark.browser
@pytest.mark.skipif(FIREFOX is None, reason="needs Firefox: apt-get install firefox-esr")
def test_firefox_fills_as_python_does(bundled_site: Path, tmp_path: Path) -> None:
    photo = Image.open(COFFEE).convert("RGB").crop((0, 0, 320, 240))
    hole = holes_of(photo)
    parts = {"photo": as_text(encode(photo)), "mask": as_text((255 * hole).astype(np.uint8).tobytes())}
    folder = shutil.copytree(bundled_site, tmp_path / "site")
    (folder / "fill.html").write_text(FILLED_IN_FIREFOX.format(script=ASK_WORKER.read_text(), **parts))
    with hosting(folder, "isolated") as (address, sent):
        command = [FIREFOX, "--headless", "--no-remote", "--profile", str(tmp_path), f"{address}fill.html"]
        firefox = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert select.select([sent], [], [], 2 * PATIENCE / 1000)[0], "Firefox says nothing"
            result = json.loads(sent.readline())
        finally:
            firefox.terminate()
            firefox.wait()
    assert result.get("threads"), result
    filled = np.frombuffer(base64.b64decode(result["pixels"]), np.uint8).reshape(240, 320, 4)
    expected = Inpainter.load()(np.asarray(photo), hole, texture="patches")
    assert np.abs(filled[..., :3].astype(int) - expected)[hole].max() <= 2


# ---------------------------------------------------------------- in use
def paint(page: Page, left: float, top: float, right: float, bottom: float) -> None:
    """Mark a rectangle, in shares of what the photo takes of the page."""
    page.get_by_role("button", name="Rectangle").click()
    canvas = page.get_by_role("application")
    canvas.wait_for()
    box = canvas.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + left * box["width"], box["y"] + top * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + right * box["width"], box["y"] + bottom * box["height"], steps=3)
    page.mouse.up()


def test_a_person_fills_and_keeps_a_photo_and_asks_no_other_host(
    browser: Browser, small_site: Path, tmp_path: Path
) -> None:
    context, asked = browser.new_context(), []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    with hosting(small_site) as (address, _):
        page.goto(address)
        page.get_by_role("button", name="Example").last.click()
        paint(page, 0.45, 0.45, 0.55, 0.55)
        page.get_by_role("button", name="Fill", exact=True).click()
        expect(page.locator("p[role=status]")).to_contain_text("Filled in")
        with page.expect_download() as started:
            page.get_by_role("button", name="Download").click()
        started.value.save_as(tmp_path / started.value.suggested_filename)
    assert {url for url in asked if not url.startswith((address, "blob:", "data:"))} == set()
    result = Image.open(tmp_path / "skimage_chelsea_completed.jpg")
    original = Image.open(small_site / "examples/skimage_chelsea.jpg")
    assert result.size == original.size
    difference = np.abs(np.asarray(result).astype(int) - np.asarray(original)).max(axis=2)
    assert (difference > 40).any()
    assert np.median(difference) < 4


def test_a_fill_that_is_cancelled_ends_and_the_next_one_works(
    browser: Browser, bundled_site: Path, tmp_path: Path
) -> None:
    Image.open(COFFEE).resize((1500, 1000)).save(tmp_path / "large.jpg")
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    status = page.locator("p[role=status]")
    with hosting(bundled_site) as (address, _):
        page.goto(address)
        page.locator("input[type=file]").first.set_input_files(tmp_path / "large.jpg")
        paint(page, 0.2, 0.2, 0.8, 0.8)
        page.get_by_role("button", name="Fill", exact=True).click()
        page.locator("progress[value]").wait_for()  # the network computes
        page.get_by_role("button", name="Cancel").click()
        expect(status).to_contain_text("Cancelled")
        page.keyboard.press("Control+z")
        paint(page, 0.5, 0.5, 0.52, 0.52)
        page.get_by_role("button", name="Fill", exact=True).click()
        expect(status).to_contain_text("Filled in")


# ---------------------------------------------------------------- the folder
def test_the_folder_is_small_and_has_the_terms_of_what_is_in_it(bundled_site: Path) -> None:
    files = [file for file in bundled_site.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= MAX_BYTES
    names = {file.relative_to(bundled_site).as_posix() for file in files}
    terms = {"EFFICIENTNET_LICENSE", "pypatchmatch", "onnxruntime-web", "onnxruntime-notices", "preact"}
    assert {"examples/ATTRIBUTION.md", *(f"licences/{name}.txt" for name in terms)} <= names
    said = json.loads((bundled_site / "onar.json").read_bytes())
    assert set(said["examples"]) <= names
    assert len(said["examples"]) == 12
    finder = said["files"][said["finder"]["model"]]
    assert finder["bytes"] <= 2_000_000
    assert finder["name"] in (bundled_site / "sw.js").read_text(), "kept for use without a network"
    assert {one["name"] for one in said["finds"]} == said["finder"]["thresholds"].keys()
    readme = (bundled_site / "README.md").read_text()
    assert "Cross-Origin-Opener-Policy: same-origin" in readme
    assert "Cross-Origin-Embedder-Policy: require-corp" in readme


def test_ones_own_weights_go_into_the_folder(small_site: Path, small_weights: Path) -> None:
    said = json.loads((small_site / "onar.json").read_bytes())
    assert said["weights"] == [{"name": "small", "default": True, "kind": "trained", "licence": None}]
    assert (said["training_size"], said["step"]) == (Inpainter.load(small_weights).training_size, 8)
    generator = small_site / said["files"][GENERATOR]["name"]
    onnx.checker.check_model(onnx.load_from_string(gzip.decompress(generator.read_bytes())))


def test_an_earlier_export_is_replaced_and_anything_else_is_not(small_site: Path, tmp_path: Path) -> None:
    site = shutil.copytree(small_site, tmp_path / "site")
    (site / "left.txt").write_text("from before")
    assert str(export("pyramid", site, format="web")).startswith("compared with the original")
    assert not (site / "left.txt").exists()
    said = json.loads((site / "onar.json").read_bytes())
    assert said["weights"][0]["name"] == "pyramid"
    assert (said["copies"], said["blend"]) == (False, None), "the pyramid fill stays what its name says"
    diary = tmp_path / "diary"
    diary.mkdir()
    (diary / "today.txt").write_text("coffee")
    with pytest.raises(OnarError, match="not empty and no earlier export"):
        export("pyramid", diary, format="web")
    assert [file.name for file in diary.iterdir()] == ["today.txt"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["diary", "site"]


def test_an_export_that_computes_something_else_leaves_the_earlier_one(
    small_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = shutil.copytree(small_site, tmp_path / "site")
    monkeypatch.setattr("onar.export.web.HALF_TOLERANCE", -1.0)
    with pytest.raises(OnarError, match="differs from the original"):
        export("pyramid", site, format="web")
    assert json.loads((site / "onar.json").read_bytes())["weights"][0]["name"] == "small"
    assert [file.name for file in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--output", "site"], "or be a folder with --format web"),
        (["--output", "model.onnx", "--format", "safetensors"], "must end in .safetensors"),
        (["--output", "site", "--format", "web", "--int8"], "--int8 is for .onnx files"),
        (["--output", "model.onnx", "--blend", "blend.safetensors"], "--blend is for --format web"),
        (["--output", "model.onnx", "--texture_blend", "blend.safetensors"], "--texture_blend is now --blend"),
        (["--output", "model.onnx", "--blend-share", "0.1"], "--blend_share is now --average_share"),
    ],
)
def test_wrong_use_is_one_line(
    flags: list[str], said: str, small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refusal("export", "--weights", small_weights, *flags)
    assert not list(tmp_path.iterdir())


def test_a_page_that_is_not_built_is_an_error(
    small_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onar.export.web.bundled_page", lambda: tmp_path / "nothing")
    with pytest.raises(OnarError, match="build it with npm"):
        export(str(small_weights), tmp_path / "site", format="web")
    with pytest.raises(UsageError, match="must end in"):
        export(str(small_weights), tmp_path / "site")
