from pathlib import Path

import pytest
from PIL import Image

from onar.demo import SETTINGS, demo
from onar.errors import OnarError

METHODS = ("Onar", "Telea", "pyramid fill")
FOLDERS = ("photos_training", "photos_held_out")
SMALL = {
    **SETTINGS,
    "img_size": 32,
    "depth": 3,
    "base_channels": 4,
    "photos_per_epoch": 8,
    "epochs": 1,
    "device": "cpu",
}


def test_the_demo_trains_completes_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo(tmp_path / "demo", SMALL)
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith(METHODS)]
    rows = {line[:14].strip(): [float(part) for part in line[14:].split()] for line in table}
    assert set(rows) == {"Onar", "Telea", "pyramid fill"}
    # Hardly trained, the network is still the fill it began as.
    assert rows["Onar"][0] == pytest.approx(rows["pyramid fill"][0], abs=1)
    training, held_out = ({path.name for path in (tmp_path / "demo" / name).iterdir()} for name in FOLDERS)
    assert len(training) == 18
    assert len(held_out) == 6
    assert not training & held_out
    assert Image.open(tmp_path / "demo" / "completed.png").width > 3 * 320


def test_an_earlier_demo_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OnarError, match="is no earlier demo"):
        demo(tmp_path, SMALL)
    assert (tmp_path / "thesis.txt").exists()
