"""The front end completes photos as `Inpainter` does: the same decisions, the same pixels."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.front_end import needs_vitest, run_vitest
from tests.support.web_vectors import Case, edge_case, grey_case, random_case, write


def compare(cases: list[Case], folder: Path) -> None:
    """Have the front end complete what Python has completed."""
    write(folder / "vectors.json", cases)
    printed = run_vitest("inpaint.test.ts", "VITE_VECTORS", folder / "vectors.json")
    assert all(case.name in printed for case in cases), printed


@needs_vitest
def test_typescript_decides_and_fills_as_python_does(tmp_path: Path) -> None:
    anywhere, at_all_borders = map(random_case, range(6)), map(edge_case, range(60))
    compare([grey_case(), *anywhere, *at_all_borders], tmp_path)  # at once: to start Vitest takes seconds


@needs_vitest
@pytest.mark.soak
def test_typescript_fills_thousands_of_holes_at_all_borders_as_python_does(tmp_path: Path) -> None:
    for first in range(0, 2000, 200):
        compare([edge_case(seed) for seed in range(first, first + 200)], tmp_path)
