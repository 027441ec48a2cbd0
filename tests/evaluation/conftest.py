from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import PHOTOS

SIZE = 48
OFFLINE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name, value in (OFFLINE | {"no_proxy": "", "NO_PROXY": ""}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.getbasetemp() / "empty_torch_cache"))


@pytest.fixture(scope="package")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small photos; sorted, they are a, b, c."""
    folder = tmp_path_factory.mktemp("photos")
    for name, source in zip("abc", sorted(PHOTOS.glob("*.jpg"))[::8], strict=False):
        Image.open(source).convert("RGB").resize((SIZE, SIZE)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="package")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five masks: four in the ranges, with and without border, and one that covers too much."""
    folder = tmp_path_factory.mktemp("masks")
    for name, box in {
        "1_small_inside": (40, 40, 60, 60), "2_small_border": (0, 40, 20, 60),
        "3_large_inside": (17, 17, 84, 84), "4_large_border": (0, 0, 50, 100), "5_most": (0, 0, 90, 100),
    }.items():  # fmt: skip
        mask = Image.new("L", (100, 100))
        mask.paste(255, box)
        mask.save(folder / f"{name}.png")
    return folder
