"""The front end's own tests, run on what Python writes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

WEB = REPOSITORY / "web"
_VITEST = WEB / "node_modules" / "vitest" / "vitest.mjs"


def _missing() -> str:
    if shutil.which("node") is None:
        return "needs node 20 or newer"
    return "" if _VITEST.is_file() else "needs the packages of the front end: npm ci in web/"


needs_vitest = pytest.mark.skipif(bool(_missing()), reason=_missing())


def run_vitest(test: str, variable: str, vectors: Path) -> str:
    """Output of a passing test of `web/tests` with a file in an environment variable."""
    result = subprocess.run(
        ["node", _VITEST, "run", f"tests/{test}", "--reporter=verbose"],
        cwd=WEB,
        env=os.environ | {variable: str(vectors), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
