"""The front end completes photos as `Inpainter` does: the same decisions, the same pixels."""

from __future__ import annotations

from pathlib import Path

from tests.front_end import needs_vitest, run_vitest
from tests.web_vectors import grey_case, random_case, write


@needs_vitest
def test_typescript_decides_and_fills_as_python_does(tmp_path: Path) -> None:
    cases = [grey_case(), *(random_case(seed) for seed in range(6))]
    write(tmp_path / "vectors.json", cases)
    printed = run_vitest("inpaint.test.ts", "VITE_VECTORS", tmp_path / "vectors.json")
    assert all(case.name in printed for case in cases), printed
