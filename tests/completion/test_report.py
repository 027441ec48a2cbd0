"""Reports of `onar complete` on many photos: files, states, shares, and sheets to look at."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.completion.test_completion import hole_of, photo_of, run, save_mask


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
