import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onar.data import mask_preview
from onar.data.mask_preview import write_masks
from onar.errors import UsageError
from onar.settings.training import MaskConfig
from tests.support.runs import run_onar


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_masks_replace_nothing_without_overwrite(tmp_path: Path) -> None:
    for there in ("mask_0000.png", "mask_0007.png", "sheet.png"):
        folder = tmp_path / there
        folder.mkdir()
        (folder / there).write_bytes(b"precious")
        said = run_onar("masks", "--output", folder, "--count", 2, "--img_size", 16, code=2).err
        assert f"{there} exists already" in said
        assert contents(folder) == {there: b"precious"}


def test_a_smaller_set_replaces_a_larger_one_as_a_whole_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mask_notes.txt").write_text("mine")
    (tmp_path / "mask_1.png").write_text("mine")
    said = write_masks(tmp_path, 5, 16, 0, MaskConfig())
    assert "removed" not in said
    said = write_masks(tmp_path, 2, 16, 1, MaskConfig(), overwrite=True)
    assert said.endswith("; 3 of an earlier, larger set are removed")
    replaced = contents(tmp_path)
    assert replaced.keys() == {"mask_0000.png", "mask_0001.png", "sheet.png", "mask_notes.txt", "mask_1.png"}
    write_masks(tmp_path / "alone", 2, 16, 1, MaskConfig())
    assert contents(tmp_path / "alone").items() <= replaced.items()


def test_masks_are_not_written_into_the_folder_that_they_are_drawn_from(tmp_path: Path) -> None:
    Image.new("L", (20, 20), 255).save(tmp_path / "white.png")
    with pytest.raises(UsageError, match="is the folder of masks"):
        write_masks(tmp_path, 1, 16, 0, MaskConfig(masks=tmp_path), overwrite=True)


def test_memory_does_not_grow_with_the_number_of_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_preview, "MAX_WIDTH", 256)
    tracemalloc.start()
    write_masks(tmp_path, 100, 256, 0, MaskConfig())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert Image.open(tmp_path / "sheet.png").size == (10 * 31 + 4, 10 * 31 + 4)
    assert peak < 30 * 256 * 256


def test_the_sheet_shows_large_and_many_masks_smaller(tmp_path: Path) -> None:
    write_masks(tmp_path / "large", 2, (600, 1200), 0, MaskConfig())
    sheet = np.asarray(Image.open(tmp_path / "large" / "sheet.png"))
    assert sheet.shape[:2] == (256 + 2 + 8, 2 * (512 + 2 + 4) + 4)
    write_masks(tmp_path / "many", 100, 16, 0, MaskConfig())
    assert Image.open(tmp_path / "many" / "sheet.png").width == 10 * (16 + 2 + 4) + 4
