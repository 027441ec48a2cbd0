"""The front end completes photos as `Inpainter` does: the same decisions, the same pixels."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.web_vectors import random_case, write

WEB = REPOSITORY / "web"
VITEST = WEB / "node_modules" / "vitest" / "vitest.mjs"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node 20 or newer")
@pytest.mark.skipif(not VITEST.is_file(), reason="needs the packages of the front end: npm ci in web/")
def test_typescript_decides_and_fills_as_python_does(tmp_path: Path) -> None:
    cases = [random_case(seed) for seed in range(6)]
    write(tmp_path / "vectors.json", cases)
    result = subprocess.run(
        ["node", VITEST, "run", "tests/inpaint.test.ts", "--reporter=verbose"],
        cwd=WEB,
        env=os.environ | {"VITE_VECTORS": str(tmp_path / "vectors.json"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert all(case.name in result.stdout for case in cases), result.stdout
