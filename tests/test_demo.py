from pathlib import Path

import pytest
from PIL import Image

from onar.demo import SETTINGS, demo
from onar.errors import OnarError
from onar.weights.bundled import bundled_photos

METHODS = ("Onar", "Telea", "pyramid fill", "PatchMatch")
FOLDERS = ("photos_training", "photos_held_out")
SMALL = {
    **SETTINGS, "img_size": 32, "depth": 3, "base_channels": 4, "photos_per_epoch": 8, "epochs": 1,
    "device": "cpu",
}  # fmt: skip


def scores_by_method(printed: str, column: int) -> dict[str, float]:
    """A column of the table that the demo has printed: PSNR is the first, ST-LPIPS the last."""
    lines = [line for line in printed.splitlines() if line.startswith(METHODS)]
    return {line[:14].strip(): float(line[14:].split()[column]) for line in lines}


def middles(folder: Path) -> Path:
    """The middle of each bundled photo, half as wide and half as high."""
    folder.mkdir()
    for path in bundled_photos().glob("*.jpg"):
        photo = Image.open(path)
        left, top = photo.width // 4, photo.height // 4
        photo.crop((left, top, left + photo.width // 2, top + photo.height // 2)).save(folder / path.name, quality=95)
    return folder


def test_the_demo_completes_with_the_bundled_weights_then_trains_and_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Scoring takes most of the time, in proportion to the pixels.
    monkeypatch.setattr("onar.demo.HELD_OUT_EVERY", 8)
    monkeypatch.setattr("onar.demo.MASKS_PER_PHOTO", 1)
    monkeypatch.setattr("onar.demo.bundled_photos", lambda: middles(tmp_path / "photos"))
    demo(tmp_path / "demo", SMALL)
    printed = capsys.readouterr().out
    assert "Trained for 1 of 1 steps, 1.0 of 1 epochs\n" in printed
    tables = printed.split("Training a network")
    bundled, trained = (scores_by_method(table, column=0) for table in tables)
    assert set(bundled) == set(trained) == set(METHODS)
    assert bundled["Onar"] > bundled["Telea"]  # not than the pyramid fill: PSNR rewards what is smooth
    distances = scores_by_method(tables[0], column=-1)
    assert distances["Onar"] < 0.9 * min(distances["Telea"], distances["pyramid fill"])
    # Hardly trained, the network is still the fill it began as.
    assert trained["Onar"] == pytest.approx(trained["pyramid fill"], abs=1)
    training, held_out = ({path.name for path in (tmp_path / "demo" / name).iterdir()} for name in FOLDERS)
    assert (len(training), len(held_out)) == (21, 3)
    assert not training & held_out
    for sheet in ("completed_bundled.png", "completed.png"):
        assert Image.open(tmp_path / "demo" / sheet).width > 3 * 160


def test_an_earlier_demo_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OnarError, match="is no earlier demo"):
        demo(tmp_path, SMALL)
    assert (tmp_path / "thesis.txt").exists()
