"""Trainings as the server shows them, from their files."""

import json
import math
import platform
import re
import subprocess
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pytest
import tomli_w

from onar.imaging.writing import write_image
from onar.serve.trainings.runs import (
    MAX_POINTS,
    LoggedRun,
    UnreadableRunError,
    find_runs,
    find_sheets,
    read_run,
    state_of,
    summary,
)
from onar.settings.training import TrainConfig
from onar.training.curve_names import LOSSES
from onar.training.results_folder import Results
from onar.weights.bundled import bundled_photos
from tests.support.runs import SMALL, flags, run_onar
from tests.support.server import Server

pytestmark = pytest.mark.process


def a_run(folder: Path, steps: int = 40, steps_per_epoch: int = 10, **settings: object) -> Path:
    """A results folder as a training of 4 photos per second and 1 second per step leaves it."""
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(tomli_w.dumps(TrainConfig(epochs=10, **settings).to_plain()))
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


def a_sheet(folder: Path, epoch: int, grey: int = 0) -> bytes:
    path = Results(folder).samples(epoch)
    write_image(path, np.full((8, 8, 3), grey, np.uint8))
    return path.read_bytes()


def log_more(folder: Path, *lines: object, end: str = "\n") -> None:
    with Results(folder).log.open("a") as log:
        log.write("\n".join(json.dumps(line) for line in lines) + end)


def read(folder: Path) -> LoggedRun:
    return read_run(folder, state_of(folder))


# ---------------------------------------------------------------- reading
def test_only_runs_under_the_named_folders_are_found(tmp_path: Path) -> None:
    named = a_run(tmp_path / "named")
    below = a_run(tmp_path / "many" / "below")
    a_run(tmp_path / "elsewhere")
    a_run(tmp_path / "many" / "deep" / "down")
    found = find_runs([named, tmp_path / "many", tmp_path / "nowhere"])
    assert found == {"named": named, "many/below": below}


def test_every_run_has_one_name_of_its_own(tmp_path: Path) -> None:
    folders = [a_run(tmp_path / part / "runs" / "first") for part in ("a", "b")]
    roots = [tmp_path / "a" / "runs", tmp_path / "b" / "runs", tmp_path / "a" / "runs", folders[0]]
    found = find_runs(roots)
    assert (sorted(found.values()), found["runs/first"]) == (folders, folders[0])
    assert len(find_runs(reversed(roots))) == 2


@pytest.mark.parametrize(("settings", "seconds"), [({}, 60), ({"max_steps": 55}, 15), ({"max_steps": 1000}, 60)])
def test_the_time_left_is_that_of_the_steps_left(tmp_path: Path, settings: dict[str, int], seconds: float) -> None:
    assert read(a_run(tmp_path / "run", **settings)).progress.seconds_left == pytest.approx(seconds)


def test_the_time_left_follows_the_latest_plan_and_without_one_the_settings(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", max_steps=90)
    log = Results(folder).log
    lines = log.read_text()
    log_more(folder, {"kind": "plan", "epoch": 5, "step": 40, "steps": 55})
    assert read(folder).progress.seconds_left == pytest.approx(15)
    log.write_text(lines.partition("\n")[2])  # as earlier versions began it
    assert read(folder).progress.seconds_left == pytest.approx(50)


@pytest.mark.parametrize("steps", [0, 12])
def test_a_skipped_step_in_the_last_line_is_no_progress(tmp_path: Path, steps: int) -> None:
    folder = a_run(tmp_path / "run", steps=steps)
    log_more(folder, {"kind": "bad_step", "epoch": 2, "step": 13, "reason": "G_loss is nan"})
    run = read(folder)
    assert (run.progress and run.progress.step) == (steps or None)
    assert set(run.losses) == ({"D_loss"} if steps else set())


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", steps=12)
    log_more(folder, end='{"kind": "st')
    assert read(folder).progress.step == 12


def test_a_run_is_read_again_when_it_has_logged_more_and_only_then(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", steps=12)
    before = read(folder)
    assert read(folder) is before
    step = {**json.loads(Results(folder).log.read_text().splitlines()[-1]), "step": 13, "epochs_done": 1.3}
    log_more(folder, step)
    assert len(read(folder).losses["D_loss"]) == len(before.losses["D_loss"]) + 1 == 13
    assert not state_of(folder).finished
    Results(folder).generator.touch()
    assert state_of(folder).finished


def test_long_curves_are_thinned_to_the_means_of_neighbours(tmp_path: Path) -> None:
    epochs, values = zip(*read(a_run(tmp_path / "long", steps=MAX_POINTS * 10)).losses["D_loss"], strict=True)
    assert len(epochs) == MAX_POINTS
    assert values == pytest.approx([0.7] * MAX_POINTS)
    # Ten neighbours each, of steps that are a tenth of an epoch apart.
    assert epochs == pytest.approx(np.arange(1, MAX_POINTS * 10 + 1).reshape(-1, 10).mean(axis=1) / 10)


def test_a_run_that_logged_one_step_shows_the_averages_of_its_epochs(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "short", steps=1, steps_per_epoch=1)
    log_more(folder, {**json.loads(Results(folder).log.read_text().splitlines()[-1]), "epochs_done": 2.0, "D_loss": 1})
    assert read(folder).losses == {"D_loss": [(1.0, 0.7), (2.0, 1)]}


def test_only_logged_numbers_have_curves(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", steps=3)
    last = json.loads(Results(folder).log.read_text().splitlines()[-1])
    log_more(folder, *({**last, "step": 4, "Adv_loss": loss} for loss in (math.nan, math.inf, "much", None, 10**400)))
    assert (read(folder).losses.keys(), read(folder).scores) == ({"D_loss"}, {})


def test_scores_are_curves_of_each_method(tmp_path: Path) -> None:
    scores = read(a_run(tmp_path / "run")).scores
    assert scores == {"psnr": {m: [(epoch, v) for epoch in (1, 2, 3, 4)] for m, v in (("onar", 20), ("Telea", 21))}}


@pytest.mark.parametrize(
    "line",
    [
        *("3", '["a"]', '{"loss": 0.1}', '{"epochs_done": 1}', '{"epoch": {}, "step": "a"}'),
        pytest.param("[" * 100_000, id="nested too deeply"),
    ],
)
def test_a_log_of_another_program_has_no_progress(tmp_path: Path, line: str) -> None:
    folder = a_run(tmp_path / "run")
    Results(folder).log.write_text(f"{line}\n")
    assert read(folder) == LoggedRun(None)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("config.toml", b'epochs = "many"\n', "no_settings"),
        ("config.toml", b"epochs =\n\n", "no_settings"),
        ("config.toml", b"\xff\xfe\x00 a picture", "no_settings"),
        ("config.toml", None, "no_access"),
        ("log.jsonl", b"\xff\xfe\x00 a picture", "no_log"),
    ],
)
def test_files_of_other_kinds_are_reported(tmp_path: Path, name: str, content: bytes | None, problem: str) -> None:
    folder = a_run(tmp_path / "run")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(UnreadableRunError):
        read(folder)
    error = summary(folder, state_of(folder))
    assert (error.kind, error.file) == (problem, name)
    assert re.fullmatch(rf"{name}[^\n]*", str(error))
    assert str(tmp_path) not in str(error)


def test_killed_and_stopped_runs_are_stopped_and_copied_ones_unknown(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    assert not state_of(folder).stopped, "the trainer is unknown"
    results = Results(folder)
    results.open()
    assert not state_of(folder).stopped
    Results(folder).close()  # by one who does not train into it
    assert not state_of(folder).stopped
    results.close()
    assert state_of(folder).stopped
    with subprocess.Popen(["true"]) as process:
        process.wait()
    holder = folder / ".lock_holder"
    holder.write_text(f"process {process.pid} on {platform.node()}")
    assert state_of(folder).stopped
    holder.write_text(f"process {process.pid} on another-computer")
    assert not state_of(folder).stopped
    holder.write_text(f"process {process.pid} on {platform.node()}")
    results.generator.touch()
    assert not state_of(folder).stopped, "it has finished"


def test_sheets_are_in_the_order_of_their_epochs_and_nothing_else_is_one(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    for epoch in (10, 2, 1):
        a_sheet(folder, epoch)
    for name in ("samples_epoch_.png", "samples_epoch_03.png", "samples_epoch_4.png.partial", "samples_epoch_x.png"):
        (folder / "samples" / name).touch()
    assert list(find_sheets(folder)) == [1, 2, 10]


def test_reading_a_training_writes_nothing(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    find_runs([tmp_path])
    read(folder)
    assert (find_sheets(folder), sorted(tmp_path.rglob("*"))) == ({}, before)


# ---------------------------------------------------------------- over HTTP
def get(server: Server, path: str = "", **headers: str) -> httpx.Response:
    return httpx.get(f"{server.url}/api/trainings{path}", headers=headers, timeout=60)


def get_run(server: Server, name: str, rest: str = "", **headers: str) -> httpx.Response:
    return get(server, f"/{quote(name)}{rest}", **headers)


def in_list(server: Server, name: str) -> dict:
    return next(training for training in get(server).json() if training["name"] == name)


def test_a_real_training_has_its_curves_and_its_sheets(server: Server, results_root: Path) -> None:
    folder, name = results_root / "gerçek", "koşu ile/gerçek"
    run_onar(
        "train", *flags(data=bundled_photos(), results_dir=folder, **{**SMALL, "sample_every": 1}, photos_per_epoch=8)
    )
    short, training = in_list(server, name), get_run(server, name).json()
    assert training.items() >= short.items()
    assert (short["finished"], short["problem"]) == (True, None)
    assert [short["progress"][name] for name in ("epoch", "epochs", "seconds_left")] == [2, 2, 0]
    assert list(training["losses"]) == list(LOSSES)
    assert all(len(curve["epochs"]) == len(curve["values"]) > 0 for curve in training["losses"].values())
    assert [sheet["epoch"] for sheet in training["sheets"]] == [1, 2]
    answer = get_run(server, name, "/sheets/2")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == Results(folder).samples(2).read_bytes()


def test_unchanged_runs_are_not_sent_again(server: Server, results_root: Path) -> None:
    folder, name = a_run(results_root / "unchanged"), "koşu ile/unchanged"
    a_sheet(folder, 1)
    for rest in ("", "/sheets/1"):
        first = get_run(server, name, rest)
        again = get_run(server, name, rest, **{"If-None-Match": f'"other", W/{first.headers["etag"]}'})
        assert ((again.status_code, again.content), again.headers["etag"]) == ((304, b""), first.headers["etag"])
    seen = {path: get(server, path).headers["etag"] for path in ("", f"/{quote(name)}")}
    log_more(folder, {"kind": "bad_step", "epoch": 5, "step": 41, "reason": "G_loss is nan"})
    assert all(get(server, path, **{"If-None-Match": tag}).status_code == 200 for path, tag in seen.items())


def test_a_sheet_of_a_restarted_run_is_another_one(server: Server, results_root: Path) -> None:
    folder, name = a_run(results_root / "again"), "koşu ile/again"
    a_sheet(folder, 1)
    tag = get_run(server, name, "/sheets/1").headers["etag"]
    before = get_run(server, name).json()["sheets"]
    Results(folder).samples(1).unlink()
    assert get_run(server, name).json()["sheets"] == []
    content = a_sheet(folder, 1, grey=200)
    assert get_run(server, name, "/sheets/1?changed=1").content == content, "as the page asks for it"
    assert get_run(server, name, "/sheets/1", **{"If-None-Match": tag}).content == content
    assert get_run(server, name).json()["sheets"] != before


def test_a_run_that_cannot_be_read_is_a_line_and_hides_no_other(server: Server, results_root: Path) -> None:
    Results(a_run(results_root / "broken")).config.write_text('epochs = "many"\n')
    a_run(results_root / "whole")
    assert in_list(server, "koşu ile/whole")["problem"] is None
    for shown in (in_list(server, "koşu ile/broken"), get_run(server, "koşu ile/broken").json()):
        message = "config.toml is not the configuration of a training"
        assert shown["problem"] == {"kind": "no_settings", "file": "config.toml", "message": message}
        assert shown["progress"] is None


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/%2e%2e/elsewhere", "/ko%C5%9Fu%20ile/../elsewhere", "/ko%C5%9Fu%20ile%2F..%2Felsewhere",
     "/ko%C5%9Fu%20ile/%00", "//etc/passwd", "/ko%C5%9Fu%20ile/reached/sheets/9",
     "/ko%C5%9Fu%20ile/reached/sheets/1/..", "/elsewhere/sheets/1"],
)  # fmt: skip
def test_nothing_outside_the_named_folders_is_reached(server: Server, results_root: Path, path: str) -> None:
    elsewhere = results_root.parent / "elsewhere"
    if not elsewhere.exists():
        a_sheet(a_run(elsewhere), 1)
        a_sheet(a_run(results_root / "reached"), 1)
    answer = get(server, path)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize("epoch", ["0", "-1", "one", "9" * 5000])
def test_an_invalid_epoch_is_refused_in_one_line(server: Server, results_root: Path, epoch: str) -> None:
    if not (results_root / "numbered").exists():
        a_run(results_root / "numbered")
    answer = get_run(server, "koşu ile/numbered", f"/sheets/{epoch}")
    assert (answer.status_code, answer.json()["error"]) == (422, "bad_request")


def test_a_sheet_that_is_no_picture_is_not_handed_out(server: Server, results_root: Path) -> None:
    folder = a_run(results_root / "linked")
    secret = results_root.parent / "secret"
    secret.write_text("a secret")
    Results(folder).samples(1).parent.mkdir()
    Results(folder).samples(1).symlink_to(secret)
    answer = get_run(server, "koşu ile/linked", "/sheets/1")
    assert (answer.status_code, "secret" in answer.text) == (500, False)


def test_openapi_describes_the_trainings(server: Server) -> None:
    paths = httpx.get(f"{server.url}/api/openapi.json").json()["paths"]
    for path, kind in (("", "array"), ("/{name}", None), ("/{name}/sheets/{epoch}", None)):
        described = paths[f"/api/trainings{path}"]["get"]["responses"]
        assert {"200", "304"} <= set(described)
        assert described["200"]["content"].get("application/json", {}).get("schema", {}).get("type") == kind
