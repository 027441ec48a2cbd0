"""What the page is made of, without a browser."""

import asyncio
import json
import math
import re
import string
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from anyio import to_thread
from gradio.components.image_editor import AcceptBlobs, EditorData
from PIL import Image
from starlette.responses import Response
from starlette.types import Send

from onar.checkpoint import save_weights
from onar.config import MaskConfig, TrainConfig
from onar.errors import OnarError
from onar.imaging.images import PhotoBytes, PhotoError, write_image
from onar.imaging.losses import LOSSES, Loss
from onar.inference.inpainter import Inpainter
from onar.masks import fit_holes
from onar.models import PConvUNet
from onar.serve.page import complete_tab, masks_tab
from onar.serve.page.complete_tab import CompleteTab
from onar.serve.page.editor import HoleEditor
from onar.serve.page.painting import (
    VIEW_SIZE,
    full_size_holes,
    paint_layer,
    painted_holes,
    reduced_view,
    resized,
    view_size,
)
from onar.serve.page.runs import POINTS, count_sheets, find_runs, read_run
from onar.serve.page.storage import RoomForUploads, Storage
from onar.serve.page.texts import TEXTS, label, language_of, number, percent, say, translations
from onar.serve.page.watch_tab import Seen, WatchTab
from onar.serve.page.weights import WeightsShelf
from onar.serve.problems import NoRoomError
from onar.serve.worker import Worker
from onar.training.results_folder import Results
from tests.conftest import REPOSITORY
from tests.runs import wait_until
from tests.serve.server import COFFEE, a_hole, a_mask, encode

PAGE = REPOSITORY / "src" / "onar" / "serve" / "page"


def a_request(language: str) -> gr.Request:
    return gr.Request(headers={"accept-language": language})


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_is_there_in_every_language_with_the_same_values_to_put_in(key: str) -> None:
    values = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in TEXTS[key]]
    assert all(text.strip() for text in TEXTS[key])
    assert all(names == values[0] for names in values)


def test_every_text_is_used_and_every_text_used_is_there() -> None:
    code = "".join(path.read_text() for path in PAGE.glob("*.py"))
    assert {key for key in TEXTS if not key.startswith(("tool_", "loss_")) and code.count(f'"{key}"') < 2} == set()
    assert set(re.findall(r'(?:label|say|PageError)\((?:request, )?"(\w+)"', code)) <= TEXTS.keys()
    with pytest.raises(KeyError):
        label("no such text")


def test_all_that_a_result_leaves_out_is_said_in_every_language() -> None:
    assert {key for key in TEXTS if key.startswith("loss_")} == {f"loss_{key}" for key in LOSSES}
    for code in ("en", "tr"):
        told = complete_tab._describe(
            a_request(code), np.zeros((4, 4), bool), 1.0, [Loss("first_picture", count=3), Loss("no_text", kind="JPEG")]
        )
        assert ("3 pictures only the first" in told) == (code == "en")
        assert ("JPEG PNG metni tutmaz." in told) == (code == "tr")


@pytest.mark.parametrize(
    ("language", "expected"),
    [("tr-TR,tr;q=0.9,en;q=0.8", "tr"), ("TR", "tr"), ("en-US", "en"), ("de-DE,tr;q=0.5", "en"), ("", "en")],
)
def test_the_first_language_of_the_browser_decides(language: str, expected: str) -> None:
    assert language_of(a_request(language)) == expected
    assert set(translations().translations_dict) == {"en", "tr"}


def test_numbers_are_written_as_the_reader_writes_them() -> None:
    assert [number(a_request(code), 3.14) for code in ("en", "tr")] == ["3.1", "3,1"]
    assert [percent(a_request(code), 0.056) for code in ("en", "tr")] == ["5.6%", "%5,6"]


def test_values_in_messages_are_not_taken_for_html() -> None:
    message = say(a_request("en"), "opened", name="<script>", width=1, height=1)
    assert "<" not in message


# ---------------------------------------------------------------- painting


@pytest.mark.parametrize("size", [(1, 1), (37, 513), (3000, 20), (2500, 1700)])
def test_a_view_keeps_the_shape_of_a_photo_and_is_never_too_large(size: tuple[int, int]) -> None:
    height, width = view_size(*size)
    assert max(height, width) <= VIEW_SIZE
    assert reduced_view(np.zeros(size, np.uint8)).shape == (height, width, 3)
    assert reduced_view(np.zeros((*size, 3), np.uint8)).shape == (height, width, 3)


def test_layers_are_painted_where_any_of_them_is(rng: np.random.Generator) -> None:
    holes = rng.random((2, 20, 30)) < 0.3
    layers = [PhotoBytes("a layer", encode(paint_layer(hole))) for hole in holes]
    assert np.array_equal(painted_holes(layers, 20, 30), holes.any(axis=0))
    assert not painted_holes([], 20, 30).any()
    assert not painted_holes(layers, 30, 20).any()  # those of another picture
    with pytest.raises(PhotoError, match="a layer: damaged"):
        painted_holes([PhotoBytes("a layer", layers[0].content[:-30])], 20, 30)


def test_a_photo_no_larger_than_its_view_is_painted_to_the_pixel(rng: np.random.Generator) -> None:
    painted = rng.random((300, 200)) < 0.5
    assert np.array_equal(full_size_holes(painted, 300, 200), painted)


def test_a_mask_keeps_its_details_wherever_nobody_painted(rng: np.random.Generator) -> None:
    mask = rng.random((3000, 2000)) < 0.5
    painted = resized(mask, *view_size(3000, 2000))
    assert np.array_equal(full_size_holes(painted, 3000, 2000, mask), mask)
    assert np.array_equal(full_size_holes(~painted, 3000, 2000, ~mask), ~mask)
    painted[:100] = True
    painted[100:200] = False
    hole = full_size_holes(painted, 3000, 2000, mask)
    # The painting wins where it differs from what the view showed of the mask.
    differs = fit_holes(painted != resized(mask, *painted.shape), 3000, 2000)
    assert np.array_equal(hole[differs], fit_holes(painted, 3000, 2000)[differs])
    assert np.array_equal(hole[~differs], mask[~differs])


# ---------------------------------------------------------------- weights


def test_weights_are_found_by_name_and_new_ones_without_a_restart(tmp_path: Path) -> None:
    shelf = WeightsShelf(Inpainter.load("pyramid"), "pyramid", "cpu", tmp_path)
    assert shelf.names() == ["pyramid", "bundled"]
    (tmp_path / "run").mkdir()
    save_weights(tmp_path / "run" / "generator_final.pth", PConvUNet(base_channels=4, depth=3))
    save_weights(tmp_path / "run" / "discriminator_final.pth", PConvUNet(base_channels=4, depth=3))
    assert shelf.names() == ["pyramid", "run/generator_final.pth", "bundled"]
    photo, hole = np.full((16, 16, 3), 100, np.uint8), np.eye(16, dtype=bool)
    completed = shelf.complete(photo, hole, "run/generator_final.pth")
    assert np.array_equal(completed[~hole], photo[~hole])


def test_a_fill_has_the_texture_and_the_try_that_were_chosen(tmp_path: Path) -> None:
    shelf = WeightsShelf(Inpainter.load("pyramid"), "pyramid", "cpu", tmp_path)
    photo, hole = np.asarray(Image.open(COFFEE).convert("RGB"))[:128, :128], np.zeros((128, 128), bool)
    hole[40:90, 40:90] = True
    smooth, one, other = (
        shelf.complete(photo, hole, "pyramid", texture, seed)
        for texture, seed in [("network", 0), ("patches", 0), ("patches", 1)]
    )
    assert (smooth != one).any()
    assert (one != other).any()


@pytest.mark.parametrize("name", ["../secret/generator_final.pth", "/etc/passwd", "run/discriminator_final.pth", ""])
def test_nothing_but_what_is_offered_is_loaded(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").mkdir()
    save_weights(tmp_path / "secret" / "generator_final.pth", PConvUNet(base_channels=4, depth=3))
    (tmp_path / "weights").mkdir()
    shelf = WeightsShelf(Inpainter.load("pyramid"), "pyramid", "cpu", tmp_path / "weights")
    with pytest.raises(OnarError, match="no weights"):
        shelf.complete(np.zeros((8, 8, 3), np.uint8), np.eye(8, dtype=bool), name)


def test_a_folder_of_weights_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OnarError, match=r"--weights_dir .*nowhere: no such folder"):
        WeightsShelf(Inpainter.load("pyramid"), "pyramid", "cpu", tmp_path / "nowhere")


# ---------------------------------------------------------------- runs


def a_run(folder: Path, steps: int = 40, steps_per_epoch: int = 10, **settings: object) -> Path:
    """A results folder as a training of 4 photos per second and 1 second per step leaves it."""
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(TrainConfig(epochs=10, **settings).to_toml())
    most = min(10 * steps_per_epoch, settings.get("max_steps", math.inf))
    lines = [{"kind": "start", "epoch": 1, "step": 0, "steps": most, "mixed_precision": "bf16"}]
    for step in range(1, steps + 1):
        done = step / steps_per_epoch
        record = {"kind": "step", "epoch": -(-step // steps_per_epoch), "epochs_done": done, "step": step}
        record |= {"D_loss": 0.7, "images_per_second": 4.0, "seconds": (step - 1) % steps_per_epoch + 1}
        lines.append(record)
        if step % steps_per_epoch == 0:
            lines.append({**record, "kind": "epoch", "validation": {"onar": {"psnr": 20.0}, "Telea": {"psnr": 21.0}}})
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_only_runs_under_the_named_folders_are_found(tmp_path: Path) -> None:
    named = a_run(tmp_path / "named")
    below = a_run(tmp_path / "many" / "below")
    a_run(tmp_path / "elsewhere")
    found = find_runs([named, tmp_path / "many", tmp_path / "nowhere"])
    assert set(found.values()) == {named, below}
    assert set(found) == {str(named), str(below)}


@pytest.mark.parametrize(("settings", "seconds"), [({}, 60), ({"max_steps": 55}, 15), ({"max_steps": 1000}, 60)])
def test_the_time_left_is_that_of_the_steps_left(tmp_path: Path, settings: dict[str, int], seconds: float) -> None:
    assert read_run(a_run(tmp_path / "run", **settings)).seconds_left == pytest.approx(seconds)


def test_the_time_left_follows_the_latest_plan_and_without_one_the_settings(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", max_steps=90)
    log = Results(folder).log
    lines = log.read_text()
    log.write_text(lines + json.dumps({"kind": "plan", "epoch": 5, "step": 40, "steps": 55}) + "\n")
    assert read_run(folder).seconds_left == pytest.approx(15)
    log.write_text(lines.partition("\n")[2])  # as earlier versions began it
    assert read_run(folder).seconds_left == pytest.approx(50)


def test_a_run_whose_last_line_is_a_skipped_step_is_as_far_as_the_line_before(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", steps=12)
    with Results(folder).log.open("a") as log:
        log.write(json.dumps({"kind": "bad_step", "epoch": 2, "step": 13, "reason": "G_loss is nan"}) + "\n")
    assert read_run(folder).records[-1]["step"] == 12
    assert read_run(folder).seconds_left > 0


def refreshed(roots: list[Path], run: Path) -> dict[str, object]:
    """What the tab shows of a run when it is opened."""
    with gr.Blocks(), gr.Tab() as tab:
        watch = WatchTab(tab, roots)
    shown = watch.refresh(str(run), None, 1, a_request("en"))
    return {"status": shown[2], "losses": shown[4 : 4 + len(watch.losses)], "sheet": shown[-1]}


@pytest.mark.parametrize("steps", [0, 12])
def test_the_page_shows_a_run_whose_last_line_is_a_skipped_step(steps: int, tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", steps=steps)
    with Results(folder).log.open("a") as log:
        log.write(json.dumps({"kind": "bad_step", "epoch": 2, "step": 13, "reason": "G_loss is nan"}) + "\n")
    shown = refreshed([tmp_path], folder)
    assert ("step 12" if steps else "started") in str(shown["status"]).lower()
    assert [losses is None for losses in shown["losses"]] == [steps == 0, True, True, True, True]


def test_a_sheet_of_a_run_that_began_anew_is_not_kept_in_view(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    write_image(Results(folder).samples(1), np.zeros((8, 8, 3), np.uint8))
    with gr.Blocks(), gr.Tab() as tab:
        watch = WatchTab(tab, [tmp_path])
    before = Seen((str(folder),), str(folder), 0.0, 5)
    sheet = watch.refresh(str(folder), before, 2, a_request("en"))[-1]
    assert isinstance(sheet, Image.Image)


def test_a_log_and_a_configuration_of_another_program_are_one_line(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    Results(folder).log.write_text('3\n["a"]\n{"loss": 0.1}\n{"epochs_done": 1}\n')
    assert read_run(folder).records == []
    other = a_run(tmp_path / "other")
    Results(other).config.write_text('epochs = "many"\n')
    assert "is not the configuration of a training" in str(refreshed([tmp_path], other)["status"])


def test_a_run_that_has_only_started_has_no_records(tmp_path: Path) -> None:
    assert read_run(a_run(tmp_path / "run", steps=0)).records == []


def test_a_run_is_read_again_when_it_has_logged_more(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", steps=12)
    assert len(read_run(folder).loss_curve("D_loss")) == 12
    log = Results(folder).log
    step = {**json.loads(log.read_text().splitlines()[-1]), "step": 13, "epochs_done": 1.3, "D_loss": 0.6}
    log.write_text(log.read_text() + json.dumps(step) + '\n{"ki')
    assert len(read_run(folder).loss_curve("D_loss")) == 13
    assert not read_run(folder).finished
    Results(folder).generator.touch()
    assert read_run(folder).finished


def test_long_curves_are_thinned_and_short_ones_are_the_averages_of_epochs(tmp_path: Path) -> None:
    long = read_run(a_run(tmp_path / "long", steps=POINTS * 10)).loss_curve("D_loss")
    assert len(long) == POINTS
    assert long["loss"].to_numpy() == pytest.approx(0.7)
    assert long["epoch"].is_monotonic_increasing
    assert len(read_run(a_run(tmp_path / "short", steps=1, steps_per_epoch=1)).loss_curve("D_loss")) == 1


def test_what_is_not_logged_yet_is_no_curve(tmp_path: Path) -> None:
    run = read_run(a_run(tmp_path / "run", steps=3))
    assert run.score_curves("psnr") is None
    assert run.loss_curve("Adv_loss") is None


def test_scores_are_curves_of_each_method(tmp_path: Path) -> None:
    curves = read_run(a_run(tmp_path / "run")).score_curves("psnr")
    assert curves.groupby("method")["epoch"].apply(list).to_dict() == {"onar": [1, 2, 3, 4], "Telea": [1, 2, 3, 4]}


def test_watching_writes_nothing(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    find_runs([tmp_path])
    read_run(folder)
    assert count_sheets(folder) == 0
    assert sorted(tmp_path.rglob("*")) == before


# ---------------------------------------------------------------- masks


@pytest.mark.parametrize("config", [MaskConfig(), MaskConfig(mask_type="rectangle", hole_ratio=(0.2, 0.4))])
def test_the_flags_shown_give_the_settings_back(config: MaskConfig) -> None:
    from onar.cli import app

    _, bound, _ = app.parse_args(["masks", "out", *masks_tab.as_flags(config).split()], exit_on_error=False)
    assert bound.arguments["config"] == config


# ---------------------------------------------------------------- files


def test_what_has_been_there_longest_makes_room_and_examples_stay(tmp_path: Path) -> None:
    (tmp_path / "example").write_bytes(bytes(500))
    storage = Storage(tmp_path, most_bytes=1000)
    storage.keep()
    for name in ("photo0", "photo1", "photo2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "photo").write_bytes(bytes(400))
        later = time.monotonic() + 0.05  # file systems tell times apart by milliseconds
        wait_until(lambda later=later: time.monotonic() > later)
    storage.make_room()
    assert [path.name for path in sorted(tmp_path.glob("photo*")) if list(path.iterdir())] == ["photo1", "photo2"]
    storage.make_room(700)
    assert [path.name for path in sorted(tmp_path.rglob("*")) if path.is_file()] == ["example"]
    with pytest.raises(NoRoomError):
        storage.make_room(1001)


def test_uploads_on_their_way_have_room_together_and_one_that_never_fits_is_told(tmp_path: Path) -> None:
    storage = Storage(tmp_path, most_bytes=1000)

    async def test() -> None:
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def app(_scope: object, _receive: object, send: Send) -> None:
            arrived.set()
            await go_on.wait()
            await Response("taken")(_scope, _receive, send)

        room = RoomForUploads(app, "/upload", storage, max_bytes=400)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(room), base_url="http://localhost") as client:
            first = asyncio.create_task(client.post("/upload", content=bytes(700)))
            await arrived.wait()
            for content in (bytes(400), parts()):
                answer = await client.post("/upload", content=content)
                assert (answer.status_code, answer.json()["error"]) == (507, "no_room")
            go_on.set()
            assert (await first).text == "taken"
            assert (await client.post("/upload", content=bytes(400))).text == "taken"

    async def parts() -> AsyncIterator[bytes]:
        yield b"of unknown length"

    asyncio.run(asyncio.wait_for(test(), timeout=60))


# ---------------------------------------------------------------- the turn


def test_a_photo_is_neither_read_nor_shown_before_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that decodes or encodes a picture runs in the worker's thread, which is one at a time."""
    threads: list[str] = []
    decode, save = Image.Image.load, Image.Image.save

    def noticed(function: Any) -> Any:
        def notice(*args: Any, **kwargs: Any) -> Any:
            threads.append(threading.current_thread().name)
            return function(*args, **kwargs)

        return notice

    async def test() -> None:
        worker = Worker(places=4, time_limit=60)
        shelf = WeightsShelf(Inpainter.load("pyramid"), "pyramid", "cpu", None)
        with gr.Blocks():
            tab = CompleteTab(worker, shelf, 1_000_000, Storage(tmp_path, 10**9))
        monkeypatch.setattr(Image.Image, "load", noticed(decode))
        monkeypatch.setattr(Image.Image, "save", noticed(save))
        request = a_request("en")
        session = (await to_thread.run_sync(tab.open_photo, None, str(COFFEE), request))[1]
        (tmp_path / "mask.png").write_bytes(a_mask(session.height, session.width))
        await to_thread.run_sync(tab.open_mask, session, str(tmp_path / "mask.png"), request)
        layers = [PhotoBytes("a layer", encode(paint_layer(a_hole(session.height, session.width))))]
        threads.clear()
        await to_thread.run_sync(tab.invert_holes, session, layers, request)
        await to_thread.run_sync(tab.fill_holes, session, layers, "pyramid", "auto", 0, request)
        await to_thread.run_sync(tab.go_on_painting, session, request)

    asyncio.run(asyncio.wait_for(test(), timeout=120))
    assert len(threads) > 5
    assert len(set(threads)) == 1


def test_the_editor_keeps_what_is_painted_and_no_photo_and_decodes_neither() -> None:
    editor = HoleEditor()

    def send(kind: str, index: object = None, name: str = "painting") -> None:
        data = {"type": kind, "index": index, "file": b"", "id": name}
        editor.accept_blobs(AcceptBlobs.model_construct(data=data, files=[("file", b"no picture")]))

    send("background")
    send("composite")
    assert editor.blob_storage == {}
    send("layer", 1)
    send("layer", 10**9)
    assert [layer.content for layer in editor.preprocess(EditorData(id="painting"))] == [b"no picture"]
    assert editor.preprocess(EditorData(id="painting")) == []
    for painting in range(1000):
        send("layer", 0, f"never asked for {painting}")
    assert len(editor.blob_storage) < 100
