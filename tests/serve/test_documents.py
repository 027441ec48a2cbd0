import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from tests.support.pictures import a_hole, a_mask, a_photo, encode
from tests.support.server import Server

pytestmark = pytest.mark.process

DOCUMENT = (REPOSITORY / "docs" / "serve.md").read_text()
ADDRESS = "http://127.0.0.1:7860"


def blocks(language: str) -> list[str]:
    return [block for block in re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.S) if ADDRESS in block]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photo.jpg").write_bytes(encode(a_photo(), "JPEG"))
    (tmp_path / "mask.png").write_bytes(a_mask())
    return tmp_path


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def was_filled(folder: Path, name: str) -> bool:
    photo, repaired = (np.asarray(Image.open(folder / file)).astype(int) for file in ("photo.jpg", name))
    return bool(np.abs(photo - repaired)[a_hole()].mean() > 3)


def test_the_document_has_clients() -> None:
    assert (len(blocks("bash")), len(blocks("python"))) == (2, 2)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_client_works(server: Server, folder: Path) -> None:
    for line in "".join(blocks("bash")).splitlines():
        run(["sh", "-c", line.replace(ADDRESS, server.url)], folder)
    assert was_filled(folder, "repaired.jpg")
    assert was_filled(folder, "repaired.png")


@pytest.mark.parametrize("client", blocks("python"))
def test_a_python_client_works(server: Server, folder: Path, client: str) -> None:
    run([sys.executable, "-c", client.replace(ADDRESS, server.url)], folder)
    assert was_filled(folder, "repaired.jpg")


def test_every_error_word_is_documented() -> None:
    from onar.serve.http.problems import PROBLEMS

    assert {word for _, word in PROBLEMS.values()} <= set(re.findall(r"`(\w+)`", DOCUMENT))
