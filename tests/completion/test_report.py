"""Reports of `onar complete` on many photos: files, states, shares, and sheets to look at."""

import csv
import io
import json
import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from onar.completion.watching import state_table
from tests.completion.test_completion import hole_of, photo_of, run, save_mask
from tests.support.processes import Process
from tests.support.runs import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos with a hole, without one, damaged, and without a mask."""
    (tmp_path / "photos").mkdir()
    for name in ("hole.png", "whole.jpg", "nomask.png", "Işık şelale.png"):
        photo_of(30, 40).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name in ("hole", "damaged", "Işık şelale"):
        save_mask(tmp_path / "masks" / f"{name}.png", hole_of(30, 40))
    save_mask(tmp_path / "masks" / "whole.png", np.zeros((30, 40), bool))
    return tmp_path


def complete(folder: Path, *options: object, code: int = 1) -> str:
    return run(folder / "photos", "--mask", folder / "masks", "--output", folder / "out", *options, code=code).err


def test_the_report_has_a_row_for_each_photo(folder: Path) -> None:
    complete(folder, "--report", folder / "r.json")
    rows = {Path(row["photo"]).name: row for row in json.loads((folder / "r.json").read_text("utf-8"))}
    states = {name: row["state"] for name, row in rows.items()}
    failed = {"damaged.png": "failed", "nomask.png": "failed"}
    assert states == {"hole.png": "completed", "whole.jpg": "unchanged", "Işık şelale.png": "completed", **failed}
    assert rows["hole.png"]["hole_share"] == pytest.approx(hole_of(30, 40).mean(), abs=1e-6)
    assert (rows["whole.jpg"]["hole_share"], rows["whole.jpg"]["error"]) == (0, "")
    assert "damaged" in rows["damaged.png"]["error"]
    for row in rows.values():
        assert (row["output"] != "" and Path(row["output"]).exists()) == (row["state"] != "failed")
    complete(folder, "--resume", "--report", folder / "r.csv")
    with (folder / "r.csv").open(encoding="utf-8", newline="") as file:
        again = {Path(row["photo"]).name: row for row in csv.DictReader(file)}
    assert {name: row["state"] for name, row in again.items()} == {
        **dict.fromkeys(("hole.png", "whole.jpg", "Işık şelale.png"), "existed"),
        **failed,
    }


def test_the_sheet_shows_photos_with_red_holes_beside_their_results(folder: Path) -> None:
    complete(folder, "--contact_sheet", folder / "sheet.png", "--report", folder / "r.json")
    sheet = np.asarray(Image.open(folder / "sheet.png"))
    red = (sheet == (255, 0, 0)).all(axis=2)
    assert red.sum() == 2 * hole_of(30, 40).sum()  # two photos have a hole; no result does
    left, right = sheet[8:38, 8:48], sheet[8:38, 52:92]
    rows = json.loads((folder / "r.json").read_text("utf-8"))
    first = next(row for row in rows if row["state"] == "completed" or row["state"] == "unchanged")
    assert np.array_equal(right, np.asarray(Image.open(first["output"])))
    kept = ~(left == (255, 0, 0)).all(axis=2)
    assert np.array_equal(left[kept], right[kept])


@pytest.mark.parametrize(
    ("option", "name", "reason"),
    [
        ("--report", "r.txt", "must end in one of json csv"),
        ("--report", "there.json", "exists"),
        ("--contact_sheet", "out/hole.png", "a photo or a result"),
        ("--contact_sheet", "photos/hole.png", "a photo or a result"),
    ],
)
def test_reports_replace_no_other_file(folder: Path, option: str, name: str, reason: str) -> None:
    (folder / "there.json").write_text("mine")
    before = (folder / "photos" / "hole.png").read_bytes()
    assert reason in complete(folder, option, folder / name, code=2)
    assert (folder / "there.json").read_text() == "mine"
    assert (folder / "photos" / "hole.png").read_bytes() == before
    assert not (folder / "out").exists()


def test_any_name_is_in_the_report_and_on_the_sheet(tmp_path: Path) -> None:
    names = ["a,b.png", 'a"b.png', "two\nlines.png", "שלום مرحبا.png", "=1+1.png"]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"\xff\xfe.png"))
    (tmp_path / "photos").mkdir()
    for name in names:
        photo_of(30, 40).save(tmp_path / "photos" / name)
        save_mask(tmp_path / "masks" / name, hole_of(30, 40))
    complete(tmp_path, "--contact_sheet", tmp_path / "sheet.png", "--report", tmp_path / "r.csv", code=0)
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = {name.encode(errors="backslashreplace").decode() for name in names}
    assert {Path(row["output"]).name for row in rows} == kept
    complete(tmp_path, "--resume", "--report", tmp_path / "r.csv", code=0)
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["existed"] * len(names)


def test_with_its_report_a_call_resumes_only_what_would_be_the_same(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in "ab":
        photo_of(30, 40).save(tmp_path / "photos" / f"{name}.png")
        save_mask(tmp_path / "masks" / f"{name}.png", hole_of(30, 40))
    report = tmp_path / "r.json"

    def states(*options: object, code: int = 0) -> dict[str, str]:
        complete(tmp_path, "--report", report, *options, code=code)
        return {Path(row["photo"]).stem: row["state"] for row in json.loads(report.read_text("utf-8"))}

    assert states() == {"a": "completed", "b": "completed"}
    assert states("--resume") == {"a": "existed", "b": "existed"}
    hole = hole_of(30, 40)
    hole[20:22] = True
    save_mask(tmp_path / "masks" / "a.png", hole)
    before = (tmp_path / "out" / "b.png").stat().st_mtime_ns
    for _ in range(2):  # the report remembers it
        assert states("--resume", code=1) == {"a": "failed", "b": "existed"}
    assert states("--resume", "--overwrite") == {"a": "completed", "b": "existed"}
    assert (tmp_path / "out" / "b.png").stat().st_mtime_ns == before
    assert states("--resume") == {"a": "existed", "b": "existed"}
    assert states("--resume", "--feather", 2, code=1) == {"a": "failed", "b": "failed"}
    report.write_text("[1]")
    assert "is not the report of an earlier call" in complete(tmp_path, "--report", report, "--resume", code=2)


@pytest.mark.process
def test_a_stopped_call_reports_what_was_done(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(30):
        photo_of(300, 450).save(tmp_path / "photos" / f"{number:02}.png", compress_level=1)
    mask = save_mask(tmp_path / "mask.png", hole_of(300, 450))
    out, report, sheet = (tmp_path / name for name in ("out", "r.csv", "sheet.png"))
    files = ["--mask", mask, "--output", out, "--report", report, "--contact_sheet", sheet]
    command = ["-m", "onar", "complete", tmp_path / "photos", *files, "--weights", "pyramid"]
    with Process(*map(str, command)) as process:
        wait_until(lambda: out.is_dir() and len(os.listdir(out)) > 3)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 128 + signal.SIGINT
    with report.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    done = [row for row in rows if row["state"] == "completed"]
    assert len(rows) == 30
    assert 0 < len(done) < 30
    assert {row["state"] for row in rows} == {"completed", "not reached"}
    assert all(Path(row["output"]).exists() for row in done)
    with Image.open(sheet) as picture:
        assert picture.width > 450


def test_quietly_only_errors_are_printed(folder: Path) -> None:
    said = run(folder / "photos", "--mask", folder / "masks", "--output", folder / "out", "--quiet", code=1)
    assert said.out == ""
    assert all(re.match(r"onar: .*(damaged|nomask|failed)", line) for line in said.err.splitlines())


def test_the_table_has_a_line_for_each_state_and_the_time_left() -> None:
    shown = io.StringIO()
    Console(file=shown, width=60).print(state_table(Counter(completed=3, failed=1, existed=5), total=19, seconds=60))
    lines = ["3  completed", "5  existed", "1  failed", "10  left, about 2:30"]
    assert [line.strip() for line in shown.getvalue().splitlines()] == lines
